import { dictionary } from "../dictionary";

const english = {
  title: "Lessons",
  lead: "Ten short lessons. Each drives the page beneath it: read, do what is asked, and see it checked.",
  begin: "Begin",
  again: "Once more",
  goOn: "Go on",
  done: "{0} of {1} steps done",
  step: "Step {0} of {1}",
  back: "Back",
  next: "Next",
  nextLesson: "Next lesson: {0}",
  all: "All lessons",
  check: "Check",
  answer: "Your answer",
  check_page: "Check what stands on the page",
  anew: "Put the network back",
  open: "Open the page “{0}”",
  finished: "That was the last lesson. Now try your own data.",
  network: "Network",
  descent: "Descent",
  digits: "Digits",
  depth: "Depth",
  data: "Your data",
} as const;

const chinese: Record<keyof typeof english, string> = {
  title: "课程",
  lead: "十节短课。每一节都带动下面的页面：读一读，做一做，当场检查。",
  begin: "开始",
  again: "再学一遍",
  goOn: "继续",
  done: "{1} 步中完成 {0} 步",
  step: "第 {0} 步，共 {1} 步",
  back: "上一步",
  next: "下一步",
  nextLesson: "下一课：{0}",
  all: "全部课程",
  check: "检查",
  answer: "你的答案",
  check_page: "检查页面上的网络",
  anew: "恢复网络",
  open: "打开“{0}”页",
  finished: "这是最后一课。现在试试你自己的数据。",
  network: "网络",
  descent: "下降",
  digits: "数字",
  depth: "深度",
  data: "你的数据",
};

export type LessonKey = keyof typeof english;
export const l = dictionary<LessonKey>(english, chinese);
