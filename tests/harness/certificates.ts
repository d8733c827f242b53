/** Certificates for a test, made by openssl at that moment and deleted with their folder. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DAY_MS = 86_400_000;
const CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export interface Issued {
  cert_file: string;
  key_file: string;
  cert: string;
  key: string;
}

export interface Wishes {
  /** As openssl has it: `/CN=cam-7`. */
  subject?: string;
  /** As openssl has it: `DNS:localhost,IP:127.0.0.1`. */
  names?: string;
  /** Until when it is good, in days from now; negative for one that has expired. */
  days?: number;
}

/** An authority with a folder of its own. */
export class TestAuthority {
  readonly folder: string;
  readonly ca_file: string;
  readonly ca: string;
  #issued = 0;

  constructor(name = "test authority") {
    this.folder = mkdtempSync(join(tmpdir(), "relayx-certificates-"));
    mkdirSync(this.#path("issued"));
    writeFileSync(this.#path("index"), "");
    writeFileSync(
      this.#path("ca.cnf"),
      `[ca]\ndefault_ca=here\n[here]\ndatabase=index\nnew_certs_dir=issued\nrand_serial=yes\n` +
        `unique_subject=no\ndefault_md=sha256\npolicy=any\n[any]\ncommonName=optional\n` +
        `organizationName=optional\n`,
    );
    this.ca_file = this.#path("ca.crt");
    const subject = ["-subj", `/CN=${name}`, "-days", "30", "-keyout", "ca.key", "-out", "ca.crt"];
    this.#openssl(["req", "-x509", ...CURVE, ...subject]);
    this.ca = readFileSync(this.ca_file, "utf8");
  }

  issue({ subject = "/CN=localhost", names, days = 10 }: Wishes = {}): Issued {
    const name = `leaf-${++this.#issued}`;
    const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject];
    this.#openssl(["req", "-new", "-utf8", ...CURVE, ...request]);
    writeFileSync(
      this.#path("leaf.cnf"),
      `subjectAltName=${names ?? "DNS:localhost,IP:127.0.0.1"}\n`,
    );
    const end = Date.now() + days * DAY_MS;
    const times = ["-startdate", stamp(Math.min(Date.now(), end) - DAY_MS), "-enddate", stamp(end)];
    const by = [
      "-config",
      "ca.cnf",
      "-cert",
      "ca.crt",
      "-keyfile",
      "ca.key",
      "-extfile",
      "leaf.cnf",
    ];
    const files = ["-in", `${name}.csr`, "-out", `${name}.crt`, "-notext"];
    this.#openssl(["ca", "-batch", "-preserveDN", ...by, ...times, ...files]);
    const [cert_file, key_file] = [this.#path(`${name}.crt`), this.#path(`${name}.key`)];
    return {
      cert_file,
      key_file,
      cert: readFileSync(cert_file, "utf8"),
      key: readFileSync(key_file, "utf8"),
    };
  }

  /** A file in the folder. */
  write(name: string, text: string): string {
    writeFileSync(this.#path(name), text);
    return this.#path(name);
  }

  /** The same key, with a passphrase. */
  lock(key_file: string): string {
    this.#openssl(["pkey", "-in", key_file, "-aes128", "-passout", "pass:secret", "-out", "l.key"]);
    return this.#path("l.key");
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #openssl(args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: ["ignore", "ignore", "pipe"] });
  }

  #path(name: string): string {
    return join(this.folder, name);
  }
}

/** A time as openssl has it: `20261121093000Z`. */
function stamp(unix_ms: number): string {
  return new Date(unix_ms).toISOString().replace(/[-:T]|\.\d+/g, "");
}
