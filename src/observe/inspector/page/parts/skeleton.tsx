/** Stands where something will be, so that nothing jumps when it comes. */
export function Skeleton({ rows, label }: { readonly rows: number; readonly label: string }) {
  return (
    <div class="skeleton" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, row) => (
        <span key={row} class="bone" />
      ))}
    </div>
  );
}
