/** The configuration that the package installs: config.yaml with what a service wants otherwise. */

const CHANGES: readonly (readonly [found: string, wanted: string])[] = [
  ['  directory: ""\n', "  directory: /var/lib/relayx\n"],
  ["  output: file\n", "  output: console\n"],
  ["  file_path: /var/log/gateway.log\n", "  file_path: /var/log/relayx/relayx.log\n"],
  [
    "# The configuration of relayx. Every key is here with its default, and every key may be left out.\n",
    "# The configuration of the relayx service. Every key is here, and every key may be left out. All\n" +
    "# have their defaults but for state.directory and logging: the journal keeps the log (journalctl\n" +
    "# -u relayx).\n" +
    "#\n" +
    '# After a change: "relayx check --config_path /etc/relayx/config.yaml", then "systemctl reload\n' +
    '# relayx". See relayx.yaml(5) and relayx(1).\n',
  ],
];

/** Throws where config.yaml no longer has what is changed here. */
export function serviceConfig(config: string): string {
  return CHANGES.reduce((text, [found, wanted]) => {
    if (text.split(found).length !== 2) {
      throw new Error(`config.yaml does not have ${JSON.stringify(found)} exactly once`);
    }
    return text.replace(found, () => wanted);
  }, config);
}
