/**
 * A chat server behind a fastway gateway: rooms with any number of users. What is typed here goes to
 * every user as a notice, in a conversation that the server begins.
 *
 *   bun examples/chat-server.ts --port PORT --key KEY [--id 1] [--host HOST] [--tls] [--snet | --encrypt]
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { connectServer, type Endpoint, type VirtualConnection } from "../mod.ts";
import { chatOptions } from "./chat-options.ts";
import { NAME_CHARS_MAX, tell, TEXT_CHARS_MAX, understand, type Words } from "./chat-words.ts";

interface User {
  name: string;
  room: string;
  connection: VirtualConnection;
}

class Chat {
  readonly #users = new Set<User>();

  /** One conversation, from its first message to its end. */
  async serve(connection: VirtualConnection): Promise<void> {
    let user: User | null = null;
    for await (const message of connection) {
      const words = understand(message);
      if (words?.type === "join") {
        this.#leave(user);
        user = this.#join(connection, words);
      } else if (words?.type === "say" && user && words.text) {
        const text = words.text.slice(0, TEXT_CHARS_MAX);
        this.#tellRoom(user.room, { type: "said", name: user.name, text });
      } else {
        tell(connection, { type: "refused", reason: "nobody understands this, or not yet" });
      }
    }
    this.#leave(user);
  }

  /** To everybody, by the numbers of their clients: not only in the conversations that they began. */
  async announce(endpoint: Endpoint, text: string): Promise<void> {
    const clients = new Set([...this.#users].map(({ connection }) => connection.remoteId));
    for (const client of clients) {
      try {
        const connection = await endpoint.dial(client);
        await tell(connection, { type: "notice", text });
        connection.close();
      } catch (error) {
        console.log(`no notice to client ${client}: ${(error as Error).message}`);
      }
    }
  }

  #join(connection: VirtualConnection, { name, room }: Words): User | null {
    const refuse = (reason: string) => {
      tell(connection, { type: "refused", reason });
      return null;
    };
    if (
      !name || !room || name.length > NAME_CHARS_MAX ||
      room.length > NAME_CHARS_MAX
    ) {
      return refuse(`a name and a room have 1 to ${NAME_CHARS_MAX} characters`);
    }
    const others = [...this.#users].filter((user) => user.room === room);
    if (others.some((user) => user.name === name)) {
      return refuse(`${name} is in ${room} already`);
    }
    this.#tellRoom(room, { type: "came", name });
    const user = { name, room, connection };
    this.#users.add(user);
    tell(connection, { type: "joined", room, names: others.map((other) => other.name) });
    console.log(`${name} has joined ${room}`);
    return user;
  }

  #leave(user: User | null): void {
    if (!user || !this.#users.delete(user)) return;
    this.#tellRoom(user.room, { type: "left", name: user.name });
    console.log(`${user.name} has left ${user.room}`);
  }

  #tellRoom(room: string, words: Words): void {
    // Nobody waits for a slow user here: what it cannot take in time ends its conversation alone.
    for (const user of this.#users) {
      if (user.room === room) tell(user.connection, words);
    }
  }
}

const { endpoint: options, own } = chatOptions({ id: "1", key: "" });
const endpoint = await connectServer({ ...options, id: Number(own.id), key: own.key });
console.log(`serving as ${own.id}`);

const chat = new Chat();
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line.trim() !== "") chat.announce(endpoint, line);
});
process.on("SIGINT", () => endpoint.close());
process.on("SIGTERM", () => endpoint.close());

for await (const connection of endpoint) chat.serve(connection);
const error = await endpoint.closed;
console.log(error ? `over: ${error.message}` : "over");
process.exit(error ? 1 : 0);
