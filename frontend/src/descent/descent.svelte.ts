/* What the descent page holds: where to look, who walks; every number comes from Python. */
import { ApiError, latest, post } from "../api";
import type { CurveAnswer, CurveAsk, MapAnswer, MapAsk, NetworkState, RaceAnswer, RaceAsk, Scene, SceneAsk } from "../messages";
import { t } from "../speech.svelte";
import { Player } from "./walking.svelte";

export type Source = "outlier" | "chain" | "ravine" | "adder" | "exclusive_or" | "own";
export const SOURCES: Source[] = ["outlier", "chain", "ravine", "adder", "exclusive_or", "own"];
const MOST_STARTS = 8;

export class Descent {
  source = $state<Source>("outlier");
  scene = $state.raw<Scene | null>(null);
  weights = $state.raw<[string, string]>(["", ""]);
  problem = $state("");
  isBusy = $state(false);

  start = $state<number | null>(null);
  rate = $state<number | null>(null);
  curve = $state.raw<CurveAnswer | null>(null);
  readonly ball = new Player(420);

  map = $state.raw<MapAnswer | null>(null);
  race = $state.raw<RaceAnswer | null>(null);
  kind = $state<RaceAsk["kind"]>("starts");
  optimizer = $state<RaceAsk["optimizer"]>("gradient_descent");
  raceRate = $state<number | null>(null);
  starts = $state.raw<[number, number][]>([]);
  seed = 0;
  isFoggy = $state(false);
  sight = $state(0.12);
  readonly clock = new Player(50, 2);

  private readonly askCurve = latest<CurveAsk, CurveAnswer>(
    (question) => post("/api/descent/curve", question),
    (answer) => {
      const isNew = this.curve?.weight !== answer.weight || this.curve.steps[0].at !== answer.steps[0].at;
      this.curve = answer;
      this.ball.begin(answer.steps.length - 1, isNew ? 0 : this.ball.position);
      this.problem = "";
    },
    (error) => this.fail(error),
  );
  private readonly askMap = latest<MapAsk, MapAnswer>(
    (question) => post("/api/descent/map", question),
    (answer) => (this.map = answer),
    (error) => this.fail(error),
  );
  private readonly askRace = latest<RaceAsk, RaceAnswer>(
    (question) => post("/api/descent/race", question),
    (answer) => {
      this.race = answer;
      this.isBusy = false;
      this.problem = "";
      if (!this.starts.length) this.starts = answer.racers.map((one) => one.start);
      this.clock.begin(answer.n_steps, this.clock.position);
    },
    (error) => this.fail(error),
  );

  private fail(error: unknown): void {
    this.problem = error instanceof ApiError ? error.message : t("lost");
    this.isBusy = false;
    this.ball.pause();
    this.clock.pause();
  }

  /** Go to a scene, or to the network that stands on the network page. */
  async open(source: Source, own: NetworkState | null): Promise<void> {
    this.source = source;
    this.ball.pause();
    this.clock.pause();
    const question: SceneAsk = source === "own" ? { name: null, network: own } : { name: source, network: null };
    try {
      const found = await post<Scene>("/api/descent/scene", question);
      if (this.source !== source) return;
      this.scene = found;
      this.curve = null;
      this.map = null;
      this.race = null;
      this.rate = null;
      this.raceRate = found.learning_rate;
      this.optimizer = "gradient_descent";
      this.start = found.start;
      this.starts = found.starts;
      this.clock.begin(0);
      this.look(found.weights);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Look along other weights. */
  look(weights: [string, string]): void {
    if (!this.scene) return;
    if (weights[0] === weights[1]) return;
    const isScene = weights.every((one, k) => one === this.scene?.weights[k]);
    this.weights = weights;
    if (!isScene) {
      this.starts = [];
      this.raceRate = null;
      this.rate = null;
      this.start = null;
    }
    this.clock.goTo(0);
    void this.askMap({ network: this.scene.network, weights, span: this.scene.span });
    this.runCurve();
    this.run();
  }

  runCurve(): void {
    if (!this.scene) return;
    const { network, span } = this.scene;
    void this.askCurve({ network, weight: this.weights[0], start: this.start, span, learning_rate: this.rate });
  }

  run(): void {
    if (!this.scene) return;
    this.isBusy = true;
    const { network, span } = this.scene;
    void this.askRace({
      network, weights: this.weights, span, kind: this.kind, starts: this.starts, n_starts: 5, seed: this.seed,
      optimizer: this.optimizer, learning_rate: this.raceRate, radius: this.sight,
    });
  }

  compare(kind: RaceAsk["kind"]): void {
    this.kind = kind;
    this.run();
  }

  addStart(at: [number, number]): void {
    this.clock.pause();
    this.clock.goTo(0);
    const room = this.kind === "starts" ? this.starts.slice(1 - MOST_STARTS) : this.starts.slice(1);
    this.starts = this.kind === "starts" ? [...room, at] : [at, ...room];
    this.run();
  }

  removeStart(): void {
    if (this.starts.length < 2) return;
    this.starts = this.starts.slice(0, -1);
    this.run();
  }

  newStarts(): void {
    this.starts = [];
    this.seed = Math.floor(Math.random() * 2 ** 31);
    this.clock.goTo(0);
    this.run();
  }
}
