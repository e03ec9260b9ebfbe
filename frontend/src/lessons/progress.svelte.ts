/* Which steps of the lessons are done, remembered by this browser. */
const PLACE = "fathom-lessons";

function remembered(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(PLACE) ?? "[]");
    return Array.isArray(found) ? found.filter((one): one is string => typeof one === "string") : [];
  } catch {
    return [];
  }
}

class Progress {
  private done = $state.raw<string[]>(remembered());

  isDone(lesson: string, step: number): boolean {
    return this.done.includes(`${lesson}/${step}`);
  }

  count(lesson: string): number {
    return this.done.filter((one) => one.startsWith(`${lesson}/`)).length;
  }

  finish(lesson: string, step: number): void {
    if (this.isDone(lesson, step)) return;
    this.done = [...this.done, `${lesson}/${step}`];
    try {
      localStorage.setItem(PLACE, JSON.stringify(this.done));
    } catch {
      /* a browser that remembers nothing still teaches everything */
    }
  }
}

export const progress = new Progress();
