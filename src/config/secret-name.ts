/** Names of fields and keys whose values are shown to nobody. */

/**
 * True for `token`, `secret`, `password` and `passphrase`, alone or as the last word of a longer
 * name (`server_token`, `authToken`, `tokens`), and for a `publish_key`, a `ServerAuthKey` and their
 * like: one rule for the log and for messages about the configuration.
 */
export function isSecretName(name: string): boolean {
  return /_key$/i.test(name) ||
    /(?:^|[^a-zA-Z])(?:token|secret|password|passphrase)s?$/i.test(name) ||
    /(?:Token|Secret|Password|Passphrase|AuthKey)s?$/.test(name);
}
