/** The place of one chunk in source memory. Bytes. */
export interface SourcePlace {
  readonly segment: string;
  readonly offset: number;
  readonly length: number;
}
