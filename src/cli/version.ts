/** `relayx --version`: everything about this build that a bug report needs. */
import type { LibsrtReport } from "../data/srt/version.ts";
import { PRODUCT_VERSION, PROTOCOL_VERSION, runtimeVersion } from "../version.ts";

export async function versionText(
  libsrt: () => Promise<LibsrtReport> = loadLibsrt,
): Promise<string> {
  const lines = [`relayx ${PRODUCT_VERSION}`, `protocol relay_X V4 ${PROTOCOL_VERSION}`];
  try {
    const found = await libsrt();
    // An embedded library has no path that means anything to a person.
    const place = found.origin === "embedded" ? "embedded" : `${found.origin}, ${found.path}`;
    const from = found.package === undefined ? "" : `, from ${found.package}`;
    lines.push(`libsrt ${found.version} (${place}${from})`);
    if (found.vulnerable) {
      lines.push(
        `warning: libsrt ${found.version} has known vulnerabilities that a peer can use without ` +
          `authentication; use a patched or newer one`,
      );
    }
  } catch (error) {
    // The other versions are still worth knowing, and the reason why libsrt is missing most of all.
    lines.push(`libsrt not available: ${error instanceof Error ? error.message : String(error)}`);
  }
  lines.push(`runtime ${runtimeVersion()}`);
  return `${lines.join("\n")}\n`;
}

async function loadLibsrt(): Promise<LibsrtReport> {
  const { libsrtVersion } = await import("../data/srt/version.ts");
  return libsrtVersion();
}
