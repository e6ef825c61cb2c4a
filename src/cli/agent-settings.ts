/** The settings of an agent as options of a command: one flag for each setting, and `--config`. */
import { type Command, Option } from 'commander';
import { configFields, type ResolvedConfig, resolveAgentConfig } from '../config/agent-config.js';

export interface SettingFlags extends Partial<Record<string, string | true>> {
  readonly config?: string;
}

export function addSettings(command: Command): void {
  command.option('--config <file>', 'JSON file: one object whose keys are the names of settings');
  for (const { flag, env, explanation, range, fallback, isSwitch } of configFields) {
    const form = isSwitch ? `${flag} [value]` : `${flag} <value>`;
    // Not commander's default: environment and file come before the default.
    const values = fallback === '' ? range : `${range}; default ${fallback}`;
    command.addOption(new Option(form, `${explanation} (${values}) [${env}]`));
  }
}

/** Throws `invalid_configuration`. */
export function resolveSettings(
  flags: SettingFlags,
  env: Readonly<Record<string, string | undefined>>,
): ResolvedConfig {
  const settings = Object.fromEntries(configFields.map(({ name }) => [name, textOf(flags[name])]));
  return resolveAgentConfig({ flags: settings, env, file: flags.config });
}

/** A switch without a value is on. */
function textOf(value: string | true | undefined): string | undefined {
  return value === true ? 'true' : value;
}
