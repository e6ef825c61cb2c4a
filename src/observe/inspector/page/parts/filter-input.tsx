import { FILTER_CHARACTERS_MAX } from '../limits.js';
import { Icon } from './icon.js';

export interface FilterInputProps {
  readonly label: string;
  readonly value: string;
  readonly change: (value: string) => void;
}

/** A filter. The key `/` focuses it from anywhere on the page, and Escape clears it. */
export function FilterInput({ label, value, change }: FilterInputProps) {
  return (
    <label class="filter-input">
      <Icon name="search" />
      <input
        type="search"
        data-filter
        placeholder={label}
        aria-label={label}
        value={value}
        maxLength={FILTER_CHARACTERS_MAX}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => change(event.currentTarget.value)}
      />
      <kbd>/</kbd>
    </label>
  );
}
