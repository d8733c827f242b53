/**
 * A user of the chat: lines that are typed are said in the room. `/join ROOM` goes to another one, and
 * `/quit` leaves, as the end of the input does.
 *
 *   bun examples/chat-client.ts --port PORT --name NAME [--room lobby] [--server 1] [--host HOST]
 *     [--token TOKEN] [--tls] [--snet | --encrypt]
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { connectClient, type Endpoint } from "../mod.ts";
import { chatOptions } from "./chat-options.ts";
import { tell, understand, type Words } from "./chat-words.ts";

function show(words: Words | null): void {
  switch (words?.type) {
    case "joined":
      console.log(`* you are in ${words.room} with ${words.names?.join(", ") || "nobody"}`);
      break;
    case "came":
      console.log(`* ${words.name} has come`);
      break;
    case "left":
      console.log(`* ${words.name} has left`);
      break;
    case "said":
      console.log(`${words.name}: ${words.text}`);
      break;
    case "refused":
      console.log(`! ${words.reason}`);
      break;
  }
}

/** Notices come in conversations of their own, which the server begins. */
async function showNotices(endpoint: Endpoint): Promise<void> {
  for await (const connection of endpoint) {
    const message = await connection.receive();
    const words = message && understand(message);
    if (words?.type === "notice") console.log(`*** ${words.text}`);
    connection.close();
  }
}

const { endpoint: options, own } = chatOptions({ name: "", room: "lobby", server: "1", token: "" });
const endpoint = await connectClient({ ...options, token: own.token || undefined });
const chat = await endpoint.dial(Number(own.server));
showNotices(endpoint);
tell(chat, { type: "join", room: own.room, name: own.name });

const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const [command, room] = line.trim().split(/\s+/);
  if (command === "/quit") input.close();
  else if (command === "/join") {
    tell(chat, { type: "join", room: room ?? "", name: own.name });
  } else if (line.trim() !== "") tell(chat, { type: "say", text: line });
});
input.on("close", () => endpoint.close());

for await (const message of chat) show(understand(message));
const { reason, error } = await chat.closed;
if (reason === "remote") console.log("* the chat is over: the server has gone");
if (error) console.log(`* the chat is over: ${error.message}`);
process.exit(error ? 1 : 0);
