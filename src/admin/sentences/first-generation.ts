/** What only relay_X v1 has: leases, standing ports, signatures. */
import { counted, duration, inBrackets, name, peer, type Sentences, words } from "./words.ts";

const ADVICE: Readonly<Record<string, string>> = {
  AUTH_FAILED: "it is not signed as rlx1.signatures asks for",
  PORT_EXHAUSTED: "no back end waits on a port that is free; start one, or wait for one",
  BAD_REQUEST: "the request asks for what cannot be had; its program has to be corrected",
  LIMIT_REACHED: "ask again later, or raise the limit that it names",
  DRAINING: "the gateway lets nobody in at the moment",
};

const ENDS: Readonly<Record<string, string>> = {
  released: "its owner gave it back",
  expired: "its time was over",
  session_over: "the session on its port was over",
  owner_left: "its owner left",
  port_gone: "its port was closed",
};

export const FIRST_GENERATION: Sentences = {
  lease_granted: (fields) => {
    const { request_id, zmq_port, srt_port } = fields;
    const ports = [zmq_port, srt_port].filter((port) => port !== undefined).map(words);
    return `The ${peer(fields)} (request ${name(request_id)}) leased ${
      ports.length === 1 ? "port" : "the ports"
    } ${ports.join(" and ")}; everybody of the other role was told.`;
  },
  lease_refused: (fields) => {
    const { request_id, code, error } = fields;
    const advice = ADVICE[String(code)];
    return `The ${peer(fields)}'s request ${name(request_id)} for ports was refused${
      inBrackets(code)
    }: ${words(error)}${advice === undefined ? "" : `; ${advice}`}.`;
  },
  lease_over: (fields) =>
    `The lease of the ${peer(fields)} ended: ${
      ENDS[String(fields.reason)] ?? words(fields.reason)
    }.`,
  ports_reaped: ({ id, timeout_ms }) => {
    const after = `within ${typeof timeout_ms === "number" ? duration(timeout_ms) : "its time"}`;
    return id === undefined
      ? `No back end came back ${after} (rlx1.reaper_timeout): the ports of relay_X v1 were closed ` +
        "until one asks for them."
      : `The back end ${name(id)} did not come back ${after} (rlx1.reaper_timeout): its waiting ` +
        "connections were closed.";
  },
  ports_reopened: ({ id }) =>
    `The back end ${name(id)} asked for the ports of relay_X v1, and they were opened again.`,
  signature_refused: (fields) =>
    `${counted(fields.count, "message")} of the ${peer(fields)} ${
      fields.count === 1 || fields.count === undefined ? "was" : "were"
    } not acted on: the signature is not right${inBrackets(fields.reason)}.`,
  signature_keys_error: ({ error }) =>
    `The keys of signatures cannot be read (${words(error)}); those before stay in use.`,
};
