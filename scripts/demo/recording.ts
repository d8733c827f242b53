/** Twenty seconds of real MPEG-TS, made once by ffmpeg: a moving test picture and a tone. */
import { execFile } from "node:child_process";
import { rename, stat } from "node:fs/promises";
import { promisify } from "node:util";

export const RECORDING_SECONDS = 20;
/** The picture is noisy enough that this rate is really used. */
const VIDEO_KBPS = 8000;

const run = promisify(execFile);

/** The recording at `path`, made if it is not there; resolves with its size in bytes. */
export async function makeRecording(path: string): Promise<number> {
  const there = await stat(path).catch(() => null);
  if (there !== null && there.size > 0) return there.size;
  // deno-fmt-ignore
  const args = [
    "-hide_banner", "-loglevel", "error", "-nostdin", "-y",
    "-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=25",
    "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
    "-t", String(RECORDING_SECONDS),
    ...await videoCodec(),
    "-b:v", `${VIDEO_KBPS}k`, "-minrate", `${VIDEO_KBPS}k`, "-maxrate", `${VIDEO_KBPS}k`,
    "-bufsize", `${VIDEO_KBPS}k`, "-c:a", "mp2", "-b:a", "128k",
    "-f", "mpegts", "-muxrate", `${VIDEO_KBPS * 1.2}k`, `${path}.new`,
  ];
  try {
    await run("ffmpeg", args);
  } catch (error) {
    const { code, stderr, message } = error as Error & { code?: string; stderr?: string };
    if (code === "ENOENT") throw new Error("ffmpeg is not installed: apt-get install ffmpeg");
    throw new Error(`ffmpeg failed: ${stderr?.trim() || message}`);
  }
  await rename(`${path}.new`, path);
  return (await stat(path)).size;
}

/** H.264 where this ffmpeg has it, else MPEG-2, which every ffmpeg has. */
async function videoCodec(): Promise<string[]> {
  const encoders = await run("ffmpeg", ["-hide_banner", "-encoders"]).catch(() => ({ stdout: "" }));
  return encoders.stdout.includes(" libx264 ")
    ? ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    : ["-c:v", "mpeg2video"];
}
