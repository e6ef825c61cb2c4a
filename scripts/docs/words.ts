/** Words and phrases that kvferry's texts do not use, each with a better one. The texts are for readers of any language. */
export interface Habit {
  readonly pattern: RegExp;
  readonly better: string;
}

export const habits: readonly Habit[] = [
  { pattern: /\bwho(?:m)?(?:so)?ever\b/gi, better: 'name the actor: the router, the sender, an operator' },
  { pattern: /\bsomebody\b/gi, better: 'name the actor: another request, a client' },
  { pattern: /\banybody\b/gi, better: 'name the actor: any client, any user' },
  { pattern: /\banew\b/gi, better: 'again' },
  { pattern: /\bshall\b/gi, better: 'must, will' },
  { pattern: /\bdear(?:er|est|ly)?\b/gi, better: 'expensive, slow' },
  { pattern: /\bfor want of\b/gi, better: 'because there is no' },
  { pattern: /\bbesides\b/gi, better: 'also' },
  { pattern: /\b(?:held|hold|holds|holding)(?: \w+){0,2} for (?:lost|dead)\b/gi, better: 'declared dead' },
  {
    pattern: /\b(?:nearly three|two and three quarters?)(?: silent| lost| missed)? heartbeats?\b/gi,
    better: '2.75 heartbeats',
  },
  { pattern: /\btwo heartbeats and three quarters\b/gi, better: '2.75 heartbeats' },
  {
    pattern: /\b(?:has|have|had|gets?|got|hears?|heard) (?:a|the|no|its|their|his) (?:last |first )?word\b/gi,
    better: 'reports, receives',
  },
  { pattern: /\b(?:is|are|was|were|be|been|being) told\b/gi, better: 'receives, is notified' },
  { pattern: /\b(?:can|could|cannot|can't) be had\b/gi, better: 'is available' },
  { pattern: /\b(?:is|are|was|were) to be \w+(?:ed|en|t|ne|wn)\b/gi, better: 'must be' },
  { pattern: /\bsays? that (?:it|they) (?:lives?|is alive)\b/gi, better: 'sends a heartbeat' },
  { pattern: /\bnothing of (?:it|them|this|that)\b/gi, better: 'none of it' },
  { pattern: /\bone happens to\b/gi, better: 'leave it out' },
];

/** The longest sentence of the documentation, in words. Aim at 20. */
export const SENTENCE_WORDS_MAX = 28;
