// Written by `python -m fathom.studio.typescript`, from Python's messages. Do not edit.

export interface Ask {
  state: NetworkState;
  name: string;
}

export interface CalibrationBin {
  low: number;
  high: number;
  n_rows: number;
  confidence: number;
  accuracy: number;
}

export interface CellRows {
  columns: string[];
  rows: ((string | null)[])[];
  sure: number[];
  n_all: number;
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
  reason: string;
  n_distinct: number;
  n_missing: number;
  low: number | null;
  high: number | null;
  style: string;
  categories: string[];
}

export interface ColumnWorth {
  column: string;
  drop: number;
  low: number;
  high: number;
}

export interface Descend {
  state: NetworkState;
  n_steps: number;
}

export interface Descended {
  answer: NetworkAnswer;
  losses: number[];
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
  message: string;
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
  message: string;
  command: string;
}

export interface JobRequest {
  table: string;
  target: string;
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

export interface Kinds {
  kinds: Record<string, "number" | "category" | "yes_no" | "date" | "text" | "identifier" | "constant">;
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
  weight_gradients: number[][];
  new_weights: number[][];
  bias_gradients: number[];
  new_biases: number[];
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

export interface NetworkState {
  layers: LayerState[];
  examples: Example[];
  row: number;
  loss: "squared_error" | "cross_entropy" | "binary_cross_entropy";
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

export interface Place {
  network: number;
  status: string;
  structure: string;
  weight: number;
  loss: number | null;
  train_loss: number | null;
  epochs: number;
  seconds: number;
  origin: string;
  reason: string;
}

export interface Prediction {
  classes: (boolean | number | string)[];
  probabilities: number[];
  numbers: number[];
}

export interface Refusal {
  message: string;
  expected: string;
  got: string;
  hint: string;
}

export interface Reshape {
  state: NetworkState;
  n_inputs: number;
  units: number[];
  activations: ("identity" | "sigmoid" | "tanh" | "relu" | "leaky_relu" | "elu" | "selu" | "gelu" | "silu" | "mish" | "softplus" | "softmax")[];
  loss: "squared_error" | "cross_entropy" | "binary_cross_entropy";
  seed: number;
  draws_all: boolean;
}

export interface Result {
  task: "classes" | "labels" | "numbers";
  target: string;
  classes: (boolean | number | string)[];
  n_test: number;
  metrics: Metric[];
  baselines: (number | null)[];
  per_class: ClassReport[];
  confusion: number[][];
  calibration: CalibrationBin[];
  words: string[];
  loss_name: string;
  loss: number | null;
  places: Place[];
  form: FormColumn[];
}

export interface RowWish {
  values: Record<string, string | null>;
}

export interface SearchEvent {
  event: string;
  network: number | null;
  number: number | null;
  status: string | null;
  structure: string | null;
  reason: string | null;
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
  text: string | null;
  message: string | null;
}

export interface Session {
  token: string;
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

export interface TableFacts {
  id: string;
  name: string;
  n_rows: number;
  columns: ColumnFacts[];
  preview: ((string | null)[])[];
  target: string;
  notes: string[];
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

export interface Words {
  en: string;
  zh: string;
}

export interface Worth {
  score_name: string;
  columns: ColumnWorth[];
}
