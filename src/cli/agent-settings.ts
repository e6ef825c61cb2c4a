/** The settings of an agent as options of a command: one flag for each setting, and `--config`. */
import { type Command, Option } from 'commander';
import { configFields, type ResolvedConfig, resolveAgentConfig } from '../config/agent-config.js';

export interface SettingFlags extends Partial<Record<string, string | true>> {
  readonly config?: string;
}

export function addSettings(command: Command): void {
  command.option('--config <file>', 'JSON file: one object whose keys are the names of settings');
  for (const { flag, env, explanation, range, isSwitch } of configFields) {
    const form = isSwitch ? `${flag} [value]` : `${flag} <value>`;
    const option = new Option(form, `${explanation} (${range}) [${env}]`);
    command.addOption(isSwitch ? option.preset('true') : option);
  }
}

/** Throws `invalid_configuration`. */
export function resolveSettings(
  flags: SettingFlags,
  env: Readonly<Record<string, string | undefined>>,
): ResolvedConfig {
  const settings = Object.fromEntries(configFields.map(({ name }) => [name, flags[name] as string | undefined]));
  return resolveAgentConfig({ flags: settings, env, file: flags.config });
}
