/* The network on the page: what stands there, its numbers from Python, and the walk through them. */
import { ApiError, get, latest, post } from "../api";
import type { Descended, NetworkAnswer, NetworkNumbers, NetworkState, Passed, Reshape, Step, Tape } from "../messages";
import { t } from "../speech.svelte";
import { placeOf, withValue, type Place } from "./names";

export type Grain = 0 | 1 | 2;
const MOST_UNDONE = 200;
const MOST_LOSSES = 2000;
const MOST_PASSED = 600;
const PAUSES: Record<string, number> = { slow: 1400, normal: 600, fast: 130 };

export class NetworkStudio {
  state = $state.raw<NetworkState | null>(null);
  numbers = $state.raw<NetworkNumbers | null>(null);
  tape = $state.raw<Step[]>([]);
  position = $state(0);
  grain = $state<Grain>(0);
  speed = $state("normal");
  isPlaying = $state(false);
  isDescending = $state(false);
  losses = $state.raw<number[]>([]);
  /** The networks on the way down, that of now at the end; and which of them is shown. */
  passed = $state.raw<Passed[]>([]);
  moment = $state(-1);
  trail = $state.raw<string[]>([]);
  problem = $state("");
  /** The example that was begun with; nothing where another network was put on the page. */
  example = $state("hand_worked");
  past = $state.raw<NetworkState[]>([]);

  readonly sides = $derived(this.state ? [this.state.layers[0].weights[0].length, ...this.state.layers.map((one) => one.biases.length)] : []);
  readonly isWhole = $derived(this.position >= this.tape.length);
  readonly step = $derived<Step | null>(this.isWhole ? null : this.tape[this.position]);
  readonly asked = $derived(this.trail.length ? this.trail[this.trail.length - 1] : "");
  /** When each number becomes known, by its name. */
  readonly known = $derived.by(() => {
    const found = new Map<string, number>();
    this.tape.forEach((step, place) => {
      if (step.kind !== "product") found.set(step.name, place);
    });
    return found;
  });

  private shapeKey = "";
  private timer = 0;
  private readonly compute = latest<NetworkState, NetworkAnswer>(
    (state) => post("/api/network/answer", state),
    (answer) => {
      this.numbers = answer.numbers;
      this.problem = "";
    },
    (error) => this.fail(error),
  );

  fail(error: unknown): void {
    this.problem = error instanceof ApiError ? error.message : t("lost");
    this.pause();
  }

  isKnown(name: string): boolean {
    return this.isWhole || (this.known.get(name) ?? -1) <= this.position;
  }

  /** Put a network on the page, as a lesson does: before it has computed, if there is something to find. */
  async put(state: NetworkState, focus: string, hides: boolean): Promise<void> {
    const turn = ++this.turn;
    this.isGiven = true;
    this.pause();
    try {
      const answer = await post<NetworkAnswer>("/api/network/answer", state);
      if (turn !== this.turn) return;
      this.keep();
      this.example = "";
      this.forget();
      // With the network, not after it: what was asked of the one before may not be in this one.
      this.trail = focus ? [focus] : [];
      await this.take(answer);
      if (turn === this.turn) this.position = hides ? 0 : this.tape.length;
    } catch (error) {
      this.fail(error);
    }
  }

  /** Show everything computed, and where a number comes from. */
  reveal(name: string): void {
    this.position = this.tape.length;
    if (name) this.trail = [name];
  }

  /** Whether something was put on the page, so that nothing else need be begun with. */
  isGiven = false;
  private turn = 0;

  async begin(example: string): Promise<void> {
    const turn = ++this.turn;
    this.example = example;
    this.pause();
    try {
      const answer = await get<NetworkAnswer>(`/api/network/examples/${example}`);
      if (turn !== this.turn) return;
      this.forget();
      this.past = [];
      this.trail = ["output.neuron1.a"];
      await this.take(answer);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Put a whole answer on the page. */
  private async take(answer: NetworkAnswer): Promise<void> {
    this.state = answer.state;
    this.numbers = answer.numbers;
    this.problem = "";
    await this.fetchTape();
  }

  private async fetchTape(): Promise<void> {
    if (!this.state) return;
    const units = this.state.layers.map((one) => one.biases.length);
    const wish = { n_inputs: this.sides[0], units, is_softmax: this.state.layers[units.length - 1].activation === "softmax" };
    const key = JSON.stringify(wish);
    if (key === this.shapeKey) return;
    this.shapeKey = key;
    this.tape = (await post<Tape>("/api/network/tape", wish)).steps;
    this.position = this.tape.length;
  }

  private keep(): void {
    if (this.state) this.past = [...this.past.slice(1 - MOST_UNDONE), this.state];
  }

  /** Change one number; everything else follows from Python. */
  change(place: Place, value: number, remembers = true): void {
    if (!this.state || !Number.isFinite(value)) return;
    if (remembers) this.keep();
    this.leaveWay();
    this.state = withValue(this.state, place, Math.max(-1e6, Math.min(1e6, value)));
    void this.compute(this.state);
  }

  /** Remember the state as it is before a drag. */
  remember(): void {
    this.keep();
  }

  changeName(name: string, value: number): void {
    if (this.state) this.change(placeOf(name, this.state.layers.length), value);
  }

  set(update: Partial<NetworkState>): void {
    if (!this.state) return;
    this.keep();
    this.state = { ...this.state, ...update };
    void this.compute(this.state);
  }

  async reshape(update: Partial<Reshape>): Promise<void> {
    if (!this.state) return;
    this.pause();
    const wish: Reshape = {
      state: this.state,
      n_inputs: this.sides[0],
      units: this.state.layers.map((one) => one.biases.length),
      activations: this.state.layers.map((one) => one.activation),
      loss: this.state.loss,
      seed: Math.floor(Math.random() * 2 ** 31),
      draws_all: false,
      ...update,
    };
    try {
      const answer = await post<NetworkAnswer>("/api/network/reshape", wish);
      this.keep();
      this.forget();
      this.trail = [];
      await this.take(answer);
    } catch (error) {
      this.fail(error);
    }
  }

  async undo(): Promise<void> {
    const before = this.past[this.past.length - 1];
    if (!before) return;
    this.pause();
    this.past = this.past.slice(0, -1);
    this.state = before;
    const at = this.passed.findIndex((one) => one.layers === before.layers);
    if (at > 0) {
      this.losses = this.losses.slice(0, this.passed[at].step);
      this.passed = this.passed.slice(0, at + 1);
      this.moment = at;
    } else if (at === 0) this.forget();
    else this.leaveWay();
    await this.compute(before);
    await this.fetchTape();
  }

  async descend(n: number): Promise<void> {
    if (!this.state || this.isDescending) return;
    this.isDescending = true;
    try {
      const found = await post<Descended>("/api/network/descend", { state: this.state, n_steps: n });
      this.keep();
      this.goDown(found, this.state);
      await this.take(found.answer);
    } catch (error) {
      this.fail(error);
    } finally {
      this.isDescending = false;
    }
  }

  /** Lengthen the way down by the steps that were taken from the network that is shown. */
  private goDown(found: Descended, from: NetworkState): void {
    const base = this.shownStep;
    const before = this.moment >= 0 ? this.passed.slice(0, this.moment) : [];
    const between = found.passed.map((one) => ({ layers: one.step ? one.layers : from.layers, step: base + one.step }));
    let way = [...before, ...between, { step: base + found.losses.length, layers: found.answer.state.layers }];
    const losses = [...this.losses.slice(0, base), ...found.losses];
    const n = Math.max(0, losses.length - MOST_LOSSES);
    if (n) way = way.filter((one) => one.step >= n).map((one) => ({ ...one, step: one.step - n }));
    while (way.length > MOST_PASSED) way = way.filter((_, k) => k % 2 === 0 || k === way.length - 1);
    this.losses = losses.slice(n);
    this.passed = way;
    this.moment = way.length - 1;
  }

  /** How many steps lie before the network that is shown. */
  get shownStep(): number {
    return this.passed[this.moment]?.step ?? this.losses.length;
  }

  readonly isAtEnd = $derived(this.moment === this.passed.length - 1);

  /** Show a network of the way down; everything on the page follows. */
  scrub(moment: number): void {
    const one = this.passed[moment];
    if (!this.state || !one) return;
    this.pause();
    this.moment = moment;
    this.state = { ...this.state, layers: one.layers };
    void this.compute(this.state);
  }

  /** A network changed by hand is on no way down: what lies before it stays. */
  private leaveWay(): void {
    if (this.moment < 0) return;
    this.losses = this.losses.slice(0, this.shownStep);
    this.passed = [];
    this.moment = -1;
  }

  private forget(): void {
    this.losses = [];
    this.passed = [];
    this.moment = -1;
  }

  /** Walk on or back to the next step at which one stops. */
  walk(direction: 1 | -1): void {
    let next = this.position + direction;
    while (next >= 0 && next < this.tape.length && this.tape[next].grain < this.grain) next += direction;
    this.position = Math.max(0, Math.min(this.tape.length, next));
    this.explainStep();
  }

  goTo(position: number): void {
    this.position = Math.max(0, Math.min(this.tape.length, position));
    this.explainStep();
  }

  private explainStep(): void {
    if (this.step) this.trail = [this.step.name];
  }

  play(): void {
    if (!this.tape.length) return;
    this.isPlaying = true;
    if (this.isWhole) this.goTo(0);
    const tick = async () => {
      if (!this.isPlaying) return;
      if (this.isWhole) {
        await this.descend(1);
        if (!this.isPlaying) return;
        this.goTo(0);
      } else this.walk(1);
      this.timer = window.setTimeout(tick, PAUSES[this.speed]);
    };
    this.timer = window.setTimeout(tick, PAUSES[this.speed]);
  }

  pause(): void {
    this.isPlaying = false;
    window.clearTimeout(this.timer);
  }

  ask(name: string): void {
    this.pause();
    this.trail = [name];
  }

  askDeeper(name: string): void {
    const at = this.trail.indexOf(name);
    this.trail = at >= 0 ? this.trail.slice(0, at + 1) : [...this.trail, name];
  }
}
