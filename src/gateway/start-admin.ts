/** The admin side, which nobody waits for who is served. */
import type { Admin, AdminOptions } from "../admin/admin.ts";

/**
 * Loads and starts it, only now, when peers are served already: its libraries take their time. Null
 * where there is to be none, or where the end has been asked for meanwhile.
 */
export async function startAdmin(
  options: Omit<AdminOptions, "assets">,
  { isWanted, onMade }: { isWanted: () => boolean; onMade: (admin: Admin) => void },
): Promise<void> {
  const { config, journal } = options;
  if (config.admin.port === "off") return;
  try {
    const { Admin } = await import("../admin/admin.ts");
    const { pageAssets } = await import("../admin/page-assets.ts");
    if (!isWanted()) return;
    const admin = new Admin({ ...options, assets: pageAssets() });
    onMade(admin);
    await admin.start();
  } catch (error) {
    // Whoever relays must not stop relaying because nobody can look on.
    journal.error({ status: "admin_error", error }, "the admin side cannot start");
  }
}
