/** `relayx --version`: everything about this build that a bug report needs. */
import { PRODUCT_VERSION, PROTOCOL_VERSION, runtimeVersion } from "../version.ts";

/** The libsrt in use, as the SRT plane describes it. */
interface LibsrtVersion {
  version: string;
  path: string;
  /** True where this version has published vulnerabilities and nothing says that they are fixed. */
  vulnerable: boolean;
  /** The distribution's package and revision it was built from, where that is known. */
  package?: string;
}

export async function versionText(
  libsrt: () => Promise<LibsrtVersion> = loadLibsrt,
): Promise<string> {
  const lines = [`relayx ${PRODUCT_VERSION}`, `protocol relay_X V4 ${PROTOCOL_VERSION}`];
  try {
    const found = await libsrt();
    const origin = found.package === undefined ? found.path : `${found.package}, ${found.path}`;
    lines.push(`libsrt ${found.version} (${origin})`);
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

async function loadLibsrt(): Promise<LibsrtVersion> {
  const { libsrtVersion } = await import("../data/srt/version.ts");
  return libsrtVersion();
}
