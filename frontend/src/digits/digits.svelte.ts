/* The state of the digits page: a drawing, what the networks make of it, and their trainings. */
import { ApiError, get, latest, post, remove } from "../api";
import type { DigitEvent, DigitReading, DigitReadings, DigitRun, DigitsFacts, FirstWeights, NeuronLook, OwnDrawing, TestDigit } from "../messages";
import { t } from "../speech.svelte";
import { BLANK } from "./pen";

export type Network = "dnn" | "cnn";
export const NETWORKS: Network[] = ["dnn", "cnn"];
type Points = [number, number][];

/** A training that is being told. */
export interface Live {
  id: string;
  epoch: number;
  held: Points[];
  learned: Points[];
}

export class Digits {
  ink = $state(BLANK);
  fits = $state(true);
  seen = $state(BLANK);
  exampleLabel = $state<number | null>(null);
  readings = $state.raw<Partial<Record<Network, DigitReading>>>({});
  weights = $state.raw<Partial<Record<Network, FirstWeights>>>({});
  facts = $state.raw<DigitsFacts | null>(null);
  live = $state.raw<Partial<Record<Network, Live>>>({});
  look = $state.raw<NeuronLook | null>(null);
  isLooking = $state(false);
  problem = $state("");

  readonly isBlank = $derived(!this.ink.includes("1"));
  private readonly sources = new Map<Network, EventSource>();
  private isOpen = true;

  private readonly ask = latest<string, DigitReadings>(
    (ink) => post("/api/digits/read", { ink, fits: this.fits }),
    (answer) => {
      this.seen = answer.seen;
      this.readings = Object.fromEntries(answer.readings.map((one) => [one.network, one]));
      for (const one of answer.readings) if (this.weights[one.network]?.run !== one.run) void this.fetchWeights(one.network);
    },
    (error) => this.fail(error),
  );

  fail(error: unknown): void {
    this.problem = error instanceof ApiError ? error.message : t("lost");
  }

  private async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.problem = "";
    } catch (error) {
      this.fail(error);
    }
  }

  run(network: Network): DigitRun | undefined {
    return this.facts?.runs.find((one) => one.network === network);
  }

  reader(network: Network): DigitRun | undefined {
    return this.facts?.runs.find((one) => one.network === network && one.is_reading);
  }

  isTraining(network: Network): boolean {
    const state = this.run(network)?.state;
    return state === "running" || state === "stopping";
  }

  /** See what there is; where no network reads yet, train a small one at once. */
  async begin(): Promise<void> {
    await this.attempt(async () => {
      await this.refresh();
      for (const network of NETWORKS) if (!this.run(network)) await this.train(network, "small", 600, true);
      for (const network of NETWORKS) if (this.isTraining(network)) this.listen(network);
    });
    void this.ask(this.ink);
  }

  close(): void {
    this.isOpen = false;
    for (const source of this.sources.values()) source.close();
  }

  private async refresh(): Promise<void> {
    this.facts = await get<DigitsFacts>("/api/digits");
  }

  draw(ink: string): void {
    if (ink === this.ink) return;
    this.ink = ink;
    this.exampleLabel = null;
    void this.ask(ink);
  }

  setFits(fits: boolean): void {
    this.fits = fits;
    void this.ask(this.ink);
  }

  async example(): Promise<void> {
    await this.attempt(async () => {
      const found = await get<TestDigit>("/api/digits/example");
      this.draw(found.ink);
      this.exampleLabel = found.label;
    });
  }

  private async fetchWeights(network: Network): Promise<void> {
    await this.attempt(async () => {
      const found = await get<FirstWeights>(`/api/digits/weights/${network}`);
      this.weights = { ...this.weights, [network]: found };
    });
  }

  async lookAt(network: Network, layer: number, neuron: number): Promise<void> {
    this.isLooking = true;
    await this.attempt(async () => {
      this.look = await post<NeuronLook>("/api/digits/neuron", { network, layer, neuron });
    });
    this.isLooking = false;
  }

  async train(network: Network, size: "small" | "full", timeLimit: number, usesDrawings: boolean): Promise<void> {
    await this.attempt(async () => {
      const seed = this.facts?.runs.length ? Math.floor(Math.random() * 2 ** 31) : 0;
      await post<DigitRun>("/api/digits/runs", { network, size, time_limit: timeLimit, uses_drawings: usesDrawings, seed });
      await this.refresh();
      this.listen(network);
    });
  }

  async stop(network: Network): Promise<void> {
    const run = this.run(network);
    if (!run) return;
    await this.attempt(async () => {
      await post<DigitRun>(`/api/digits/runs/${run.id}/stop`, {});
      await this.refresh();
    });
  }

  private listen(network: Network): void {
    const run = this.run(network);
    if (!run || !this.isOpen || this.live[network]?.id === run.id) return;
    this.sources.get(network)?.close();
    this.live = { ...this.live, [network]: { id: run.id, epoch: 0, held: [], learned: [] } };
    const source = new EventSource(`/api/digits/runs/${run.id}/events`);
    source.addEventListener("search", (event) => this.hear(network, JSON.parse((event as MessageEvent<string>).data) as DigitEvent[]));
    source.addEventListener("end", () => {
      source.close();
      void this.attempt(() => this.refresh()).then(() => this.ask(this.ink));
    });
    this.sources.set(network, source);
  }

  private hear(network: Network, events: DigitEvent[]): void {
    const before = this.live[network];
    if (!before) return;
    const now: Live = { ...before, held: before.held.map((one) => [...one]), learned: before.learned.map((one) => [...one]) };
    for (const one of events) {
      if (one.event !== "epoch" || one.epoch == null) continue;
      const start = one.start ?? 0;
      now.epoch += 1;
      if (one.validation_score != null) (now.held[start] ??= []).push([one.epoch, one.validation_score]);
      if (one.train_score != null) (now.learned[start] ??= []).push([one.epoch, one.train_score]);
    }
    this.live = { ...this.live, [network]: now };
  }

  async keep(label: number): Promise<void> {
    await this.attempt(async () => {
      await post<OwnDrawing>("/api/digits/drawings", { ink: this.ink, label });
      await this.refresh();
      this.draw(BLANK);
    });
  }

  async forget(id: string): Promise<void> {
    await this.attempt(async () => {
      await remove(`/api/digits/drawings/${id}`);
      await this.refresh();
    });
  }
}
