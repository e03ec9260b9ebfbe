// Written by `python -m fathom.studio.typescript`, from Python's messages. Do not edit.

export interface Ask {
  state: NetworkState;
  name: string;
}

export interface Band {
  level: number;
  color: string;
  path: string;
}

export interface Basin {
  runs: number[];
  x: number;
  y: number;
  loss: number;
}

export interface BendAnswer {
  classes: number[];
  stages: BendStage[];
  region: Region;
  low: [number, number];
  high: [number, number];
  n_parameters: number;
}

export interface BendAsk {
  points: "moons" | "circles" | "exclusive_or" | "spirals" | "checkerboard";
  noise: number;
  seed: number;
  widths: number[];
  activation: "tanh" | "relu" | "sigmoid";
}

export interface BendStage {
  number: number;
  name: Words;
  n_neurons: number;
  lines: [number, number][][];
  at: [number, number][];
  share: number;
  line: Line;
  probe: Score;
}

export interface Bin {
  low: number;
  high: number;
  n_rows: number;
  confidence: number;
  accuracy: number;
  accuracy_low: number;
  accuracy_high: number;
}

export interface CalibrationFacts {
  n_rows: number;
  accuracy: number;
  confidence: number;
  error: number;
  chance_error: number;
  bins: Bin[];
  said: Words[];
}

export interface ClassReport {
  label: boolean | number | string;
  precision: number | null;
  recall: number | null;
  f1: number | null;
  support: number;
}

export interface ColumnFacts {
  name: string;
  kind: "number" | "category" | "yes_no" | "date" | "text" | "identifier" | "constant";
  reason: Words;
  n_distinct: number;
  n_missing: number;
  low: number | null;
  high: number | null;
  style: string;
  categories: string[];
}

export interface ColumnShare {
  column: string;
  here: string | null;
  usual: string | null;
  share: number;
}

export interface ColumnWorth {
  column: string;
  drop: number;
  low: number;
  high: number;
}

export interface Correction {
  sheet: string | null;
  kinds: Record<string, "number" | "category" | "yes_no" | "date" | "text" | "identifier" | "constant">;
}

export interface CurveAnswer {
  weight: string;
  values: number[];
  losses: (number | null)[];
  learning_rate: number;
  steps: CurveStep[];
  verdict: "too small" | "right" | "too large" | "leaps" | "diverges" | "at rest";
  rates: SuitingRates;
  lowest: CurveStep;
}

export interface CurveAsk {
  network: NetworkState;
  weight: string;
  start: number | null;
  span: number;
  learning_rate: number | null;
}

export interface CurveStep {
  at: number;
  loss: number;
  slope: number;
}

export interface DepthLine {
  depth: number;
  widths: number[];
  n_parameters: number;
  n_neurons: number;
  errors: number[];
  median: number | null;
  low: number | null;
  high: number | null;
}

export interface DepthNews {
  number: number;
  state: "none" | "running" | "stopping" | "done" | "failed";
  wish: DepthWish | null;
  stage: "speed" | "rates" | "starts" | "";
  n_done: number;
  n_planned: number;
  seconds: number;
  lines: DepthLine[];
  n_starts: number;
  n_test: number;
  verdict: DepthVerdict | null;
  words: Words[];
  problem: Words | null;
}

export interface DepthStop {
  number: number;
}

export interface DepthVerdict {
  shallow: number;
  deep: number;
  finding: "better" | "worse" | "no difference";
  difference: number;
  low: number;
  high: number;
  p_value: number;
  is_general: boolean;
}

export interface DepthWish {
  material: "spirals" | "checkerboard" | "digits";
  shape: "parameters" | "neurons" | "width";
  depths: number[];
  width: number;
  activation: "identity" | "sigmoid" | "tanh" | "relu" | "leaky_relu" | "elu" | "selu" | "gelu" | "silu" | "mish" | "softplus" | "softmax";
  seconds: number;
  seed: number;
}

export interface Descend {
  state: NetworkState;
  n_steps: number;
}

export interface Descended {
  answer: NetworkAnswer;
  losses: number[];
  passed: Passed[];
}

export interface DigitEvent {
  event: string;
  start: number | null;
  epoch: number | null;
  train_loss: number | null;
  train_score: number | null;
  validation_score: number | null;
  accuracy: number | null;
  message: string | null;
}

export interface DigitReading {
  network: "dnn" | "cnn";
  run: string;
  n_networks: number;
  probabilities: number[];
  layers: LayerFlow[];
}

export interface DigitReadings {
  seen: string;
  readings: DigitReading[];
}

export interface DigitRun {
  id: string;
  network: "dnn" | "cnn";
  size: "small" | "full";
  state: "running" | "stopping" | "done" | "failed";
  seconds: number;
  epochs: number;
  n_train: number;
  n_drawings: number;
  accuracy: number | null;
  is_reading: boolean;
  message: Words | null;
  command: string;
}

export interface DigitsFacts {
  runs: DigitRun[];
  drawings: OwnDrawing[];
  most_drawings: number;
}

export interface Drawing {
  ink: string;
  fits: boolean;
}

export interface Example {
  x: number[];
  target: number[];
}

export interface Explanation {
  name: string;
  meaning: string;
  formula: string;
  lines: string[];
  notes: string[];
  result: string;
  value: number;
  operands: Operand[];
}

export interface FirstWeights {
  network: "dnn" | "cnn";
  run: string;
  layer: number;
  neurons: number[];
  pictures: number[][][];
}

export interface FormColumn {
  name: string;
  kind: "number" | "category" | "yes_no" | "date" | "text" | "identifier" | "constant";
  low: number | null;
  high: number | null;
  is_whole: boolean;
  categories: string[];
  value: string | null;
}

export interface HeldOutRow {
  row: number;
  place: number | null;
  cells: (string | null)[];
  truth: boolean | number | string;
  said: boolean | number | string;
  sure: number | null;
  truth_share: number | null;
}

export interface JobFacts {
  id: string;
  name: string;
  target: string;
  task: string;
  time_limit: number;
  state: "running" | "stopping" | "done" | "failed";
  seconds: number;
  n_train: number;
  n_test: number;
  has_model: boolean;
  message: Words | null;
  command: string;
}

export interface JobRequest {
  table: string;
  target: string;
  sheet: string | null;
  task: "auto" | "classes" | "numbers";
  kinds: Record<string, "number" | "category" | "yes_no" | "date" | "text" | "identifier" | "constant">;
  time_limit: number;
  keeps_test_rows: boolean;
  seed: number;
}

export interface KeepWish {
  ink: string;
  label: number;
}

export interface LayerFlow {
  number: number;
  name_en: string;
  name_zh: string;
  height: number;
  width: number;
  units: number[][];
  can_look: boolean;
}

export interface LayerNumbers {
  name: string;
  z: number[];
  a: number[];
  delta: number[];
  exponentials: number[];
}

export interface LayerState {
  activation: "identity" | "sigmoid" | "tanh" | "relu" | "leaky_relu" | "elu" | "selu" | "gelu" | "silu" | "mish" | "softplus" | "softmax";
  weights: number[][];
  biases: number[];
}

export interface LessonAnswer {
  lesson: string;
  step: number;
  number: number | null;
  choice: number | null;
  state: NetworkState | null;
}

export interface LessonVerdict {
  is_right: boolean;
  said: Words;
}

export interface LessonView {
  key: string;
  title: Words;
  about: Words;
  steps: StepView[];
}

export interface LessonsView {
  lessons: LessonView[];
}

export interface Line {
  across: number;
  up: number;
  bias: number;
  accuracy: number;
}

export interface MapAnswer {
  x: number[];
  y: number[];
  losses: ((number | null)[])[];
  heights: number[][];
  ground: string;
  bands: Band[];
  lowest: [number, number, number];
}

export interface MapAsk {
  network: NetworkState;
  weights: [string, string];
  span: number;
}

export interface Metric {
  name: string;
  value: number | null;
  low: number | null;
  high: number | null;
  is_better_high: boolean;
  note: string;
}

export interface MoreTime {
  time_limit: number;
}

export interface NetworkAnswer {
  state: NetworkState;
  numbers: NetworkNumbers;
}

export interface NetworkNumbers {
  layers: LayerNumbers[];
  outputs: number[][];
  losses: number[];
  loss: number;
}

export interface NetworkPage {
  html: string;
}

export interface NetworkState {
  layers: LayerState[];
  examples: Example[];
  row: number;
  loss: "cross_entropy" | "binary_cross_entropy" | "squared_error";
  learning_rate: number;
}

export interface NeuronLook {
  network: "dnn" | "cnn";
  run: string;
  layer: number;
  neuron: number;
  weights: number[][] | null;
  excited: number[][];
  excited_sum: number;
  share_active: number;
  strongest: StrongPicture[];
  said_en: string;
  said_zh: string;
}

export interface NeuronWish {
  network: "dnn" | "cnn";
  layer: number;
  neuron: number;
}

export interface Operand {
  name: string;
  value: number;
  note: string;
}

export interface OwnDrawing {
  id: string;
  ink: string;
  label: number;
}

export interface PageWish {
  state: NetworkState;
  language: "en" | "zh";
}

export interface Passed {
  step: number;
  layers: LayerState[];
}

export interface PathLayer {
  name: string;
  title: Words;
  n_units: number;
  n_active: number;
  largest: number;
  units: PathUnit[];
}

export interface PathNetwork {
  member: number;
  fold: number;
  number: number;
  weight: number;
  structure: Words;
  said: number;
}

export interface PathUnit {
  name: string;
  says: string;
  value: number;
}

export interface PathWish {
  row: number;
  member: number;
  fold: number;
}

export interface Place {
  network: number;
  status: string;
  structure: Words;
  weight: number;
  loss: number | null;
  train_loss: number | null;
  epochs: number;
  seconds: number;
  origin: Words;
  reason: Words;
}

export interface Point {
  row: number;
  right: number;
  predicted: number;
}

export interface Prediction {
  classes: (boolean | number | string)[];
  probabilities: number[];
  numbers: number[];
}

export interface Program {
  text: string;
}

export interface RaceAnswer {
  racers: Racer[];
  basins: Basin[];
  learning_rate: number;
  n_steps: number;
  seen: number[][];
  share_seen: number[];
  lowest_seen: number[];
}

export interface RaceAsk {
  network: NetworkState;
  weights: [string, string];
  span: number;
  kind: "starts" | "rates" | "optimizers";
  starts: [number, number][];
  n_starts: number;
  seed: number;
  optimizer: "gradient_descent" | "momentum" | "nesterov" | "rmsprop" | "adam" | "adamw" | "muon";
  learning_rate: number | null;
  radius: number;
}

export interface Racer {
  start: [number, number];
  optimizer: "gradient_descent" | "momentum" | "nesterov" | "rmsprop" | "adam" | "adamw" | "muon";
  learning_rate: number;
  verdict: "too small" | "right" | "too large" | "diverges" | null;
  x: number[];
  y: number[];
  losses: number[];
  heights: number[];
  basin: number | null;
  steps_to_bottom: number | null;
}

export interface Refusal {
  message: string;
  zh: string;
  expected: string;
  got: string;
  hint: string;
}

export interface Region {
  path: string;
  score: Score;
}

export interface Reshape {
  state: NetworkState;
  n_inputs: number;
  units: number[];
  activations: ("identity" | "sigmoid" | "tanh" | "relu" | "leaky_relu" | "elu" | "selu" | "gelu" | "silu" | "mish" | "softplus" | "softmax")[];
  loss: "cross_entropy" | "binary_cross_entropy" | "squared_error";
  seed: number;
  draws_all: boolean;
}

export interface Result {
  task: "classes" | "labels" | "numbers" | "text";
  target: string;
  classes: (boolean | number | string)[];
  n_test: number;
  metrics: Metric[];
  baselines: (number | null)[];
  per_class: ClassReport[];
  confusion: number[][];
  calibration: CalibrationFacts | null;
  spread: SpreadFacts | null;
  words: Words[];
  notes: Words[];
  loss_name: string;
  loss: number | null;
  places: Place[];
  form: FormColumn[];
}

export interface RivalsAnswer {
  machines: Record<string, Region>;
  boosted: Record<string, StagedRegion[]>;
}

export interface RivalsAsk {
  points: "moons" | "circles" | "exclusive_or" | "spirals" | "checkerboard";
  noise: number;
  seed: number;
}

export interface RowList {
  columns: string[];
  rows: HeldOutRow[];
  n_all: number;
}

export interface RowPath {
  row: number;
  columns: string[];
  cells: (string | null)[];
  truth: boolean | number | string | null;
  said: Prediction;
  networks: PathNetwork[];
  sharpness: number;
  effects: ColumnShare[];
  member: number;
  fold: number;
  layers: PathLayer[];
  output: string;
  z: number;
  usual_z: number;
  shares: ColumnShare[];
  words: WordPart[];
}

export interface RowWhy {
  row: number;
  member: number;
  fold: number;
  name: string;
}

export interface RowWish {
  values: Record<string, string | null>;
}

export interface Scene {
  network: NetworkState;
  weights: [string, string];
  names: string[];
  span: number;
  start: number;
  starts: [number, number][];
  learning_rate: number | null;
}

export interface SceneAsk {
  name: "outlier" | "chain" | "ravine" | "adder" | "exclusive_or" | null;
  network: NetworkState | null;
}

export interface Score {
  value: number;
  low: number;
  high: number;
}

export interface Script {
  python: string;
  commands: string;
}

export interface ScriptWish {
  values: RowWish | null;
  path: RowWhy | null;
  language: string;
}

export interface SearchEvent {
  event: string;
  network: number | null;
  number: number | null;
  status: string | null;
  structure: Words | null;
  reason: Words | null;
  epoch: number | null;
  epochs: number | null;
  loss: number | null;
  loss_name: string | null;
  ensemble_loss: number | null;
  members: number[] | null;
  train_loss: number | null;
  validation_loss: number | null;
  learning_rate: number | null;
  seconds: number | null;
  text: Words | null;
  message: string | null;
}

export interface Session {
  token: string;
}

export interface SheetFacts {
  name: string;
  n_rows: number | null;
  n_columns: number | null;
}

export interface Slope {
  weight: string;
  value: number;
  loss: number;
  slope: number;
  values: number[];
  losses: (number | null)[];
  steps: number[];
  step_losses: number[];
}

export interface SpreadBand {
  low: number;
  high: number;
  n_rows: number;
  predicted: number;
  right: number;
  right_low: number;
  right_high: number;
  inner_low: number;
  inner_high: number;
}

export interface SpreadFacts {
  n_rows: number;
  half: number;
  most: number;
  bands: SpreadBand[];
  points: Point[];
  low: number;
  high: number;
  ticks: number[];
  said: Words[];
}

export interface StagedRegion {
  n_stages: number;
  region: Region;
}

export interface Step {
  kind: "product" | "sum" | "exponential" | "activation" | "loss" | "error" | "gradient" | "update";
  name: string;
  layer: number;
  unit: number;
  part: number;
  grain: number;
}

export interface StepView {
  text: Words;
  formula: string;
  page: "network" | "descent" | "digits" | "depth" | "data";
  state: NetworkState | null;
  focus: string;
  hides: boolean;
  task: TaskView | null;
}

export interface StrongPicture {
  ink: string;
  label: string;
  sum: number;
}

export interface SuitingRates {
  too_small: number | null;
  right: number | null;
  too_large: number | null;
}

export interface TableFacts {
  id: string;
  name: string;
  sheet: string | null;
  sheets: SheetFacts[];
  n_rows: number;
  columns: ColumnFacts[];
  preview: ((string | null)[])[];
  target: string;
  notes: Words[];
}

export interface Tape {
  steps: Step[];
}

export interface TapeRequest {
  n_inputs: number;
  units: number[];
  is_softmax: boolean;
}

export interface TaskView {
  kind: "number" | "choice" | "reach";
  ask: Words;
  choices: Words[];
  decimals: number;
}

export interface TestDigit {
  ink: string;
  label: number;
}

export interface TrainWish {
  network: "dnn" | "cnn";
  size: "small" | "full";
  time_limit: number;
  uses_drawings: boolean;
  seed: number;
}

export interface Welcome {
  version: string;
  most_layers: number;
  most_units: number;
  most_examples: number;
  most_upload_bytes: number;
}

export interface WordPart {
  text: string;
  share: number;
}

export interface Words {
  en: string;
  zh: string;
}

export interface Worth {
  score_name: string;
  columns: ColumnWorth[];
}

/** What Python says of a number, in Chinese. */
export const CHINESE_MEANINGS: Record<string, string> = {
  "combination function": "组合函数（加权和）",
  "activation": "激活值",
  "node error ∂L/∂z": "节点误差 ∂L/∂z",
  "slope of the activation function": "激活函数的斜率",
  "∂L/∂w": "梯度 ∂L/∂w",
  "after one step": "走一步之后",
  "direction of the step": "这一步的方向",
  "∂L/∂ what comes in": "对输入的梯度",
  "given": "给定",
  "learned": "学到的",
  "learning rate η": "学习率 η",
  "squared error": "平方误差",
  "cross entropy": "交叉熵",
  "binary cross entropy": "二元交叉熵",
  "mean of the losses of the examples": "各样本损失的平均",
  "1 where z > 0, else 0": "z > 0 时为 1，否则为 0",
  "1 where z ≥ 0, else 0.01": "z ≥ 0 时为 1，否则为 0.01",
  "z where z > 0, else e^z − 1": "z > 0 时为 z，否则为 e^z − 1",
  "1 where z > 0, else e^z": "z > 0 时为 1，否则为 e^z",
  "λ z where z > 0, else λ α (e^z − 1), with λ = 1.0507 and α = 1.6733": "z > 0 时为 λ z，否则为 λ α (e^z − 1)，λ = 1.0507，α = 1.6733",
  "λ where z > 0, else λ α e^z": "z > 0 时为 λ，否则为 λ α e^z",
  "z · Φ(z), Φ the normal distribution": "z · Φ(z)，Φ 为正态分布函数",
  "t + z · (1 − t²) · σ(z), with t = tanh(ln(1 + e^z))": "t + z · (1 − t²) · σ(z)，其中 t = tanh(ln(1 + e^z))",
  "rate": "步长",
  "slope": "斜率",
  "mean": "均值",
};
