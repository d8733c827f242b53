/**
 * Ready-made lines with which programs that nobody here has written publish or read over SRT. What
 * each of them makes of a URL differs, and nothing that one escapes is understood by all: ffmpeg up
 * to version 7, OBS, VLC and srt-live-transmit take a query's values as they stand, GStreamer and
 * later ffmpegs decode them, and VLC takes a `#` for the end of the URL. So a stream id is written
 * without such signs where that is possible, and goes into an option instead of the URL where the
 * program has one.
 */
import { formatStreamId } from "../data/srt/stream-id.ts";

/** What the person at the other end wants to do. */
export type SrtUse = "publish" | "read";

/** Where to connect to, and as what. */
export interface SrtTarget {
  /** An address or a name; an IPv6 address without brackets. */
  host: string;
  port: number;
  stream_id: string;
  /** Empty: the port is not encrypted. */
  passphrase: string;
  pbkeylen: number;
  /** Null: the program's own, which the gateway's may exceed. */
  latency_ms: number | null;
}

/** One program's line, and what to put where. */
export interface Recipe {
  program: string;
  text: string;
}

/** The one who counts latency in microseconds is ffmpeg, and OBS with it. */
type LatencyUnit = "us" | "ms";

const NOT_IN_A_URL = "cannot have this passphrase in its URL; one of letters and digits would do";

/** The stream id of a named stream; the plain form wherever nothing has to be escaped. */
export function streamIdOfStream(
  { name, user, key, use }: { name: string; user: string; key: string; use: SrtUse },
): string {
  if (![user, key].every((value) => /^[\w.~-]*$/.test(value))) {
    return formatStreamId({ r: name, u: user, m: modeOf(use), key });
  }
  const rest = user !== "" ? [user, key] : key !== "" ? [key] : [];
  return [use, name, ...rest].join(":");
}

/** The stream id of one end of a session. */
export function streamIdOfSession(
  session: { session_id: string; user: string; hello_token?: string; use: SrtUse },
): string {
  const { session_id, user, hello_token, use } = session;
  return formatStreamId({ s: session_id, u: user, relayx_token: hello_token, m: modeOf(use) });
}

/** A line for each program, as it is typed into a shell or pasted into a field. */
export function srtRecipes(target: SrtTarget, use: SrtUse): Recipe[] {
  return use === "publish" ? publishing(target) : reading(target);
}

function publishing(target: SrtTarget): Recipe[] {
  const gstreamer = "gst-launch-1.0 -e filesrc location=INPUT.ts ! tsparse set-timestamps=true " +
    "alignment=7 ! srtsink";
  return [
    {
      program: "ffmpeg",
      text: `ffmpeg -re -i INPUT -c copy -f mpegts ${ffmpegOptions(target)} ${ffmpegUrl(target)}`,
    },
    {
      program: "OBS (Settings, Stream, Custom: the server; the stream key stays empty)",
      text: onlyUrl(target, "us"),
    },
    { program: "GStreamer", text: `${gstreamer} ${gstreamerProperties(target)}` },
    {
      program: "srt-live-transmit (MPEG-TS from UDP port 5000)",
      text: onlyUrl(
        target,
        "ms",
        (url) => `srt-live-transmit udp://127.0.0.1:5000 ${shellWord(url)}`,
      ),
    },
  ];
}

function reading(target: SrtTarget): Recipe[] {
  const options = ffmpegOptions(target);
  const url = ffmpegUrl(target);
  return [
    { program: "ffplay", text: `ffplay ${options} ${url}` },
    { program: "ffmpeg", text: `ffmpeg ${options} -i ${url} -c copy OUTPUT.ts` },
    {
      program: "OBS (Media Source without Local File: the input)",
      text: onlyUrl(target, "us"),
    },
    { program: "VLC (3.0.17 or newer)", text: vlc(target) },
    {
      program: "GStreamer",
      text: `gst-launch-1.0 -e srtsrc ${gstreamerProperties(target)} ! filesink ` +
        "location=OUTPUT.ts",
    },
    {
      program: "srt-live-transmit (MPEG-TS to UDP port 5000)",
      text: onlyUrl(
        target,
        "ms",
        (url) => `srt-live-transmit ${shellWord(url)} udp://127.0.0.1:5000`,
      ),
    },
  ];
}

/** What may hold any sign. It is `srt_streamid` because ffmpeg has a `-streamid` of its own. */
function ffmpegOptions({ stream_id, passphrase }: SrtTarget): string {
  const options = passphrase === "" ? "" : `-passphrase ${shellWord(passphrase)} `;
  return `${options}-srt_streamid ${shellWord(stream_id)}`;
}

function ffmpegUrl(target: SrtTarget): string {
  return shellWord(urlOf(target, numbers(target, "us")));
}

function vlc(target: SrtTarget): string {
  const { stream_id, passphrase, pbkeylen, latency_ms } = target;
  const values: [string, string][] = [["streamid", stream_id]];
  if (latency_ms !== null) values.unshift(["latency", String(latency_ms)]);
  if (passphrase !== "") values.push(["passphrase", passphrase], ["key-length", `${pbkeylen}`]);
  if (values.every(([, value]) => isPlain(value))) return `vlc ${shellWord(urlOf(target, values))}`;
  const options = values.map(([name, value]) => shellWord(`:${name}=${value}`));
  return `vlc ${shellWord(urlOf(target, []))} ${options.join(" ")}`;
}

function gstreamerProperties(target: SrtTarget): string {
  const { stream_id, passphrase, pbkeylen, latency_ms } = target;
  const values: [string, string][] = [["uri", urlOf(target, [])], ["streamid", stream_id]];
  if (latency_ms !== null) values.push(["latency", String(latency_ms)]);
  if (passphrase !== "") values.push(["passphrase", passphrase], ["pbkeylen", `${pbkeylen}`]);
  return values.map(([name, value]) => {
    // gst-launch has quotes of its own, inside the shell's.
    const quoted = isPlain(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`;
    return shellWord(`${name}=${quoted}`);
  }).join(" ");
}

/** For programs that take a URL and nothing else, and decode nothing in it. */
function onlyUrl(target: SrtTarget, unit: LatencyUnit, wrap = (url: string) => url): string {
  const { stream_id, passphrase } = target;
  const values = numbers(target, unit);
  if (passphrase !== "") values.push(["passphrase", passphrase]);
  // The stream id has been escaped already, so the passphrase alone can be in the way.
  if (!/^[!-~]*$/.test(passphrase) || /[&+%#?]/.test(passphrase)) return NOT_IN_A_URL;
  return wrap(urlOf(target, [...values, ["streamid", stream_id]]));
}

function numbers(
  { passphrase, pbkeylen, latency_ms }: SrtTarget,
  unit: LatencyUnit,
): [string, string][] {
  const values: [string, string][] = [];
  if (latency_ms !== null) {
    values.push(["latency", String(unit === "us" ? latency_ms * 1000 : latency_ms)]);
  }
  if (passphrase !== "") values.push(["pbkeylen", String(pbkeylen)]);
  return values;
}

function urlOf({ host, port }: SrtTarget, values: readonly [string, string][]): string {
  const place = host.includes(":") ? `[${host}]` : host;
  const query = values.map(([name, value]) => `${name}=${value}`).join("&");
  return `srt://${place}:${port}${query === "" ? "" : `?${query}`}`;
}

/** Nothing that a URL, a shell or one of the programs takes for something else. */
function isPlain(value: string): boolean {
  return /^[\w.~:/,=@-]+$/.test(value);
}

function shellWord(word: string): string {
  return isPlain(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

function modeOf(use: SrtUse): "publish" | "request" {
  return use === "publish" ? "publish" : "request";
}
