export interface FilterSelectProps {
  /** The subject of the choice, and the text when nothing is chosen: `agent` and `any agent`. */
  readonly label: string;
  readonly any: string;
  readonly value: string;
  readonly options: readonly string[];
  readonly change: (value: string) => void;
}

export function FilterSelect({ label, any, value, options, change }: FilterSelectProps) {
  const all = value === '' || options.includes(value) ? options : [value, ...options];
  return (
    <select
      class={value === '' ? 'filter-select' : 'filter-select chosen'}
      aria-label={label}
      value={value}
      onChange={(event) => change(event.currentTarget.value)}
    >
      <option value="">{any}</option>
      {all.map((option) => (
        <option key={option} value={option}>
          {option}
        </option>
      ))}
    </select>
  );
}
