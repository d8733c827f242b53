import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { parseStreamId, STREAM_ID_BYTES_MAX } from "../../../src/data/srt/stream-id.ts";
import {
  srtRecipes,
  type SrtTarget,
  type SrtUse,
  streamIdOfSession,
  streamIdOfStream,
} from "../../../src/tools/srt-url.ts";
import { announcedRandom } from "../../harness/random.ts";

const PLAIN: SrtTarget = {
  host: "203.0.113.7",
  port: 2349,
  stream_id: "publish:cam",
  passphrase: "",
  pbkeylen: 16,
  latency_ms: null,
};

const uses: readonly SrtUse[] = ["publish", "read"];

function textsOf(target: Partial<SrtTarget>, use: SrtUse): Record<string, string> {
  const recipes = srtRecipes({ ...PLAIN, ...target }, use);
  return Object.fromEntries(recipes.map(({ program, text }) => [program.split(" ")[0], text]));
}

/** The words that a shell makes of a line. */
function shellWords(line: string): string[] {
  const { stdout } = spawnSync("sh", ["-c", `printf '%s\\0' ${line}`], { encoding: "utf8" });
  return stdout.split("\0").slice(0, -1);
}

describe("stream ids", () => {
  test("a stream's is plain wherever nothing has to be escaped", () => {
    const id = (user: string, key: string, use: SrtUse = "publish") =>
      streamIdOfStream({ name: "live/cam-1", user, key, use });
    expect(id("", "")).toBe("publish:live/cam-1");
    expect(id("", "k3y", "read")).toBe("read:live/cam-1:k3y");
    expect(id("anna", "k3y")).toBe("publish:live/cam-1:anna:k3y");
    expect(id("anna", "")).toBe("publish:live/cam-1:anna:");
    expect(id("", "a&b")).toBe("#!::r=live%2Fcam-1,m=publish,key=a%26b");
    expect(id("a:b", "", "read")).toBe("#!::r=live%2Fcam-1,u=a%3Ab,m=request");
  });

  test("a session's names the session, and the user where there is one", () => {
    const session_id = "0123456789abcdef";
    expect(streamIdOfSession({ session_id, user: "", use: "read" }))
      .toBe("#!::s=0123456789abcdef,m=request");
    expect(streamIdOfSession({ session_id, user: "fe-1", use: "publish" }))
      .toBe("#!::s=0123456789abcdef,u=fe-1,m=publish");
    const hello_token = "00ff";
    expect(streamIdOfSession({ session_id, user: "fe-1", hello_token, use: "publish" }))
      .toBe("#!::s=0123456789abcdef,u=fe-1,relayx_token=00ff,m=publish");
  });

  test("the gateway reads out of them what was put in", () => {
    const { seed } = announcedRandom("stream ids of streams and sessions");
    const value = fc.string({ unit: "grapheme", maxLength: 12 });
    const name = fc.stringMatching(/^[\w./-]{1,64}$/);
    const use = fc.constantFrom(...uses);
    fc.assert(
      fc.property(name, value, value, use, (name, user, key, use) => {
        const mode = use === "publish" ? "publish" : "request";
        const bytes = Buffer.from(streamIdOfStream({ name, user, key, use }));
        fc.pre(bytes.length <= STREAM_ID_BYTES_MAX);
        expect(parseStreamId(bytes)).toEqual({ type: "stream", name, user, key, mode });
      }),
      { seed },
    );
    fc.assert(
      fc.property(value, use, (user, use) => {
        const session_id = "0123456789abcdef";
        const mode = use === "publish" ? "publish" : "request";
        const bytes = Buffer.from(streamIdOfSession({ session_id, user, use }));
        fc.pre(bytes.length <= STREAM_ID_BYTES_MAX);
        expect(parseStreamId(bytes)).toEqual({ type: "session", session_id, user, mode });
      }),
      { seed },
    );
  });
});

describe("lines", () => {
  test("without anything special", () => {
    expect(textsOf({}, "publish")).toEqual({
      ffmpeg: "ffmpeg -re -i INPUT -c copy -f mpegts -srt_streamid publish:cam " +
        "srt://203.0.113.7:2349",
      OBS: "srt://203.0.113.7:2349?streamid=publish:cam",
      GStreamer: "gst-launch-1.0 -e filesrc location=INPUT.ts ! tsparse set-timestamps=true " +
        "alignment=7 ! srtsink uri=srt://203.0.113.7:2349 streamid=publish:cam",
      "srt-live-transmit":
        "srt-live-transmit udp://127.0.0.1:5000 'srt://203.0.113.7:2349?streamid=publish:cam'",
    });
    expect(textsOf({ stream_id: "read:cam" }, "read")).toEqual({
      ffplay: "ffplay -srt_streamid read:cam srt://203.0.113.7:2349",
      ffmpeg: "ffmpeg -srt_streamid read:cam -i srt://203.0.113.7:2349 -c copy OUTPUT.ts",
      OBS: "srt://203.0.113.7:2349?streamid=read:cam",
      VLC: "vlc 'srt://203.0.113.7:2349?streamid=read:cam'",
      GStreamer: "gst-launch-1.0 -e srtsrc uri=srt://203.0.113.7:2349 streamid=read:cam ! " +
        "filesink location=OUTPUT.ts",
      "srt-live-transmit":
        "srt-live-transmit 'srt://203.0.113.7:2349?streamid=read:cam' udp://127.0.0.1:5000",
    });
  });

  test("latency is microseconds for ffmpeg and OBS, milliseconds for the others", () => {
    for (const use of uses) {
      const { ffplay, VLC, ...texts } = textsOf({ latency_ms: 250 }, use);
      expect(texts.ffmpeg).toContain("latency=250000");
      expect(texts.OBS).toContain("latency=250000");
      expect(texts.GStreamer).toMatch(/ latency=250( |$)/);
      expect(texts["srt-live-transmit"]).toContain("latency=250&");
      if (use === "read") {
        expect(ffplay).toContain("latency=250000");
        expect(VLC).toContain("latency=250&");
      }
    }
  });

  test("a passphrase comes with the length of its key", () => {
    const target = { passphrase: "a-passphrase", pbkeylen: 32 };
    const texts = textsOf(target, "read");
    expect(texts.ffmpeg).toStartWith("ffmpeg -passphrase a-passphrase -srt_streamid publish:cam ");
    expect(texts.ffmpeg).toContain("pbkeylen=32");
    expect(texts.OBS).toContain("pbkeylen=32&passphrase=a-passphrase&");
    expect(texts.VLC).toContain("passphrase=a-passphrase&key-length=32");
    expect(texts.GStreamer).toContain("passphrase=a-passphrase pbkeylen=32");
    expect(textsOf(target, "publish").OBS).toContain("pbkeylen=32&passphrase=a-passphrase&");
  });

  test("an IPv6 address has its brackets", () => {
    expect(textsOf({ host: "2001:db8::7" }, "publish").OBS)
      .toBe("srt://[2001:db8::7]:2349?streamid=publish:cam");
  });

  test("whatever a value has in it reaches the program as it is, or the line says why not", () => {
    const stream_id = "#!::r=cam,m=request,key=a%26b";
    const passphrase = `it's "a" \\ $(dollar) & more`;
    const texts = textsOf({ stream_id, passphrase }, "read");
    const words = shellWords(texts.ffmpeg);
    expect(words.slice(1, 5)).toEqual(["-passphrase", passphrase, "-srt_streamid", stream_id]);
    expect(shellWords(texts.VLC)).toEqual([
      "vlc",
      "srt://203.0.113.7:2349",
      `:streamid=${stream_id}`,
      `:passphrase=${passphrase}`,
      ":key-length=16",
    ]);
    expect(shellWords(texts.GStreamer)).toContain(
      `passphrase="it's \\"a\\" \\\\ $(dollar) & more"`,
    );
    for (const program of ["OBS", "srt-live-transmit"]) {
      expect(texts[program]).toBe(
        "cannot have this passphrase in its URL; one of letters and digits would do",
      );
    }
    expect(textsOf({ stream_id }, "read").OBS).toEndWith(`?streamid=${stream_id}`);
  });
});
