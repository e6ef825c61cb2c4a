export interface MeterProps {
  readonly value: number;
  readonly max: number;
  readonly label: string;
}

export function Meter({ value, max, label }: MeterProps) {
  const share = max === 0 ? 0 : Math.min(1, value / max);
  return (
    <span class="meter">
      <span class="meter-track" aria-hidden="true">
        <span class="meter-fill" style={{ width: `${share * 100}%` }} />
      </span>
      <span>{label}</span>
    </span>
  );
}
