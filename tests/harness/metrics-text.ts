/** A page in Prometheus' text format, read by the format's own rules, which also tell what is wrong. */

interface MetricSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

interface Family {
  type: string;
  help: string;
  samples: MetricSample[];
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;

export class MetricsText {
  readonly text: string;
  readonly families = new Map<string, Family>();
  readonly #faults: string[] = [];

  constructor(text: string) {
    this.text = text;
    if (!text.endsWith("\n")) this.#faults.push("the last line has no end");
    for (const line of text.split("\n")) this.#take(line);
    for (const [name, family] of this.families) this.#check(name, family);
  }

  /** What breaks the rules. */
  faults(): string[] {
    return this.#faults;
  }

  /** The sum of the samples that have these labels; undefined where there is none. */
  value(name: string, labels: Record<string, string> = {}): number | undefined {
    const found = [...this.families.values()].flatMap(({ samples }) => samples).filter((sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value)
    );
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }

  #take(line: string): void {
    if (line === "") return;
    const about = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (about !== null) {
      const [, what, name, text] = about;
      const family = this.#family(name);
      if (what === "HELP") family.help = text;
      else if (family.type !== "") this.#faults.push(`${name} has two types`);
      else family.type = text;
      if (family.samples.length > 0) this.#faults.push(`${name}: ${what} behind its samples`);
      return;
    }
    const sample = /^([^\s{]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (sample === null) return void this.#faults.push(`no sample: ${line}`);
    const [, name, labels = "", value] = sample;
    const family = this.families.get(name.replace(/_(?:bucket|sum|count)$/, "")) ??
      this.families.get(name);
    if (family === undefined) return void this.#faults.push(`${name} has no type`);
    const number = value === "+Inf" ? Infinity : Number(value);
    if (Number.isNaN(number)) this.#faults.push(`${name} has the value ${value}`);
    family.samples.push({ name, labels: this.#labels(name, labels), value: number });
  }

  #labels(name: string, text: string): Record<string, string> {
    const labels: Record<string, string> = {};
    const rest = text.replace(
      /([a-zA-Z_]\w*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/g,
      (_, label, raw: string) => {
        const signs: Record<string, string> = { n: "\n", '"': '"', "\\": "\\" };
        labels[label] = raw.replace(/\\(.)/g, (_, sign: string) => signs[sign]);
        return "";
      },
    );
    if (rest !== "") this.#faults.push(`${name} has labels that cannot be read: ${rest}`);
    return labels;
  }

  #family(name: string): Family {
    let family = this.families.get(name);
    if (family === undefined) {
      this.families.set(name, family = { type: "", help: "", samples: [] });
    }
    return family;
  }

  /** What `promtool check metrics` would say. */
  #check(name: string, { type, help, samples }: Family): void {
    const fault = (text: string) => this.#faults.push(`${name} ${text}`);
    if (!NAME.test(name)) fault("is no name");
    if (help === "") fault("has no help");
    if (!["counter", "gauge", "histogram"].includes(type)) fault(`has the type "${type}"`);
    if (type === "counter" && !name.endsWith("_total")) fault("is a counter without _total");
    if (type !== "counter" && name.endsWith("_total")) fault("is no counter and ends in _total");
    if (/_(?:ms|milliseconds|minutes|kb|mb|kilobytes|megabytes|percent)(?:_|$)/.test(name)) {
      fault("is not in a base unit");
    }
    if (/[A-Z]/.test(name)) fault("has capital letters");
    const seen = new Set<string>();
    for (const { name: sample, labels, value } of samples) {
      const key = `${sample} ${JSON.stringify(Object.entries(labels).sort())}`;
      if (seen.has(key)) fault(`has a sample twice: ${key}`);
      seen.add(key);
      if (type === "counter" && !(value >= 0)) fault(`counts ${value}`);
    }
    if (type === "histogram" && !samples.some(({ labels }) => labels.le === "+Inf")) {
      fault("has no bucket for everything");
    }
  }
}
