/** Whom a client certificate names; the handshakes themselves are tested against the gateway. */
import { expect, test } from "bun:test";
import type { PeerCertificate } from "node:tls";
import { configSchema } from "../../../src/config/schema.ts";
import { TlsDoor } from "../../../src/control/tls-door.ts";
import { certificateName } from "../../../src/data/tls-handshakes.ts";
import { TestAuthority } from "../../harness/certificates.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

const named = (subject: Record<string, unknown>, subjectaltname?: string) =>
  certificateName({ subject, subjectaltname } as unknown as PeerCertificate);

test("the common name counts, whatever else there is", () => {
  expect(named({ CN: "cam-7" })).toBe("cam-7");
  expect(named({ O: "x", CN: "cam 7, ünï" }, "URI:spiffe://x/y")).toBe("cam 7, ünï");
});

test("without one, the only alternative name does", () => {
  expect(named({ O: "x" }, "URI:spiffe://relays/cam-8")).toBe("spiffe://relays/cam-8");
  expect(named({}, "DNS:cam.example")).toBe("cam.example");
});

test("several names, other names and tricks are nobody", () => {
  expect(named({ CN: ["one", "two"] })).toBeNull();
  expect(named({ CN: "" }, "DNS:cam.example")).toBeNull();
  expect(named({ CN: "a\nCN=admin" })).toBeNull();
  expect(named({ CN: "admin\0.example" })).toBeNull();
  expect(named({ CN: "a\u202eb" })).toBeNull();
  expect(named({ CN: "x".repeat(257) })).toBeNull();
  expect(named({}, "DNS:a.example, DNS:b.example")).toBeNull();
  expect(named({}, "URI:spiffe://x/admin, evil")).toBeNull();
  expect(named({}, 'URI:"spiffe://x/admin, evil"')).toBeNull();
  expect(named({}, "IP Address:192.0.2.1")).toBeNull();
  expect(named({}, "email:somebody@example")).toBeNull();
  expect(named({})).toBeNull();
});

test("a certificate that ends soon is warned of again and again, until there is another", async () => {
  const authority = new TestAuthority();
  const config = (days: number) => {
    const { cert_file, key_file } = authority.issue({ subject: `/CN=${days} days`, days });
    return {
      ...configSchema.parse({}),
      tls: configSchema.parse({ tls: { cert_file, key_file } }).tls,
    };
  };
  const log = new RecordingLog();
  const door = new TlsDoor({ log, expiry_check_ms: 5 });
  door.apply(config(3.5));
  const warnings = (count: number) =>
    log.lines.find((line) => {
      const is_warning = line.status === "certificate_expires";
      return is_warning && line.days === 3 && line.level === "warn" && --count === 0;
    });
  await warnings(3);
  door.apply(config(20));
  await log.lines.find((line) => line.certificate === "CN=20 days");
  expect(log.lines.items.at(-1)?.status).toBe("tls_loaded");
  door.close();
  authority.close();
});
