/** Draws the body of a message from its schema. Fields that name something name what there is, so that many messages are executed. */
import type { Random } from '../../../src/figures/random.js';
import { type JsonSchema, type MessageShape, resolved } from './message-shapes.js';

/** What fields may name, by the name of the field. */
export type Pools = Readonly<Record<string, readonly unknown[]>>;

export type Body = Record<string, unknown>;

const OPTIONAL_CHANCE = 0.3;
const CHUNKS_MAX = 6;
/** Lists that have one element for each chunk. */
const PER_CHUNK = new Set(['keys', 'pages', 'generations', 'positions', 'alreadySent', 'joined']);
/** Lists of runs. One run is for all chunks. */
const RUNS = new Set(['lengths', 'source']);

export function drawnBody(shape: MessageShape, pools: Pools, random: Random): Body {
  return new Drawing(pools, random).object(shape.body);
}

class Drawing {
  readonly #pools: Pools;
  readonly #random: Random;
  /** Chunks of this message. */
  readonly #chunks: number;

  constructor(pools: Pools, random: Random) {
    this.#pools = pools;
    this.#random = random;
    this.#chunks = random.integer(0, CHUNKS_MAX);
  }

  object(schema: JsonSchema): Body {
    const required = new Set(schema.required ?? []);
    const body: Body = {};
    // An order names its session and its number, or neither.
    const isOrder = this.#random.chance(OPTIONAL_CHANCE);
    for (const [name, field] of Object.entries(schema.properties ?? {})) {
      const isIn = name === 'session' || name === 'order' ? isOrder : this.#random.chance(OPTIONAL_CHANCE);
      if (required.has(name) || isIn) body[name] = this.#value(field, name);
    }
    return body;
  }

  #value(given: JsonSchema, field: string): unknown {
    const schema = resolved(given);
    if (schema.const !== undefined) return schema.const;
    if (field === 'count' || field === 'totalChunks') return this.#chunks;
    const pool = this.#pools[field];
    if (pool !== undefined && pool.length > 0 && schema.type !== 'array') return this.#random.pick(pool);
    if (schema.enum !== undefined) return this.#random.pick(schema.enum);
    if (schema.anyOf !== undefined) return this.#value(this.#random.pick(schema.anyOf), field);
    switch (schema.type) {
      case 'object':
        return this.object(schema);
      case 'array':
        return this.#list(schema, field);
      case 'integer':
      case 'number':
        return Math.min(schema.maximum ?? Number.MAX_SAFE_INTEGER, (schema.minimum ?? 0) + this.#random.integer(0, 3));
      case 'boolean':
        return this.#random.chance(0.7);
      default:
        return 'text';
    }
  }

  #list({ items = {}, maxItems = CHUNKS_MAX }: JsonSchema, field: string): unknown[] {
    if (RUNS.has(field)) return this.#chunks === 0 ? [] : [this.#value(items, field)];
    const length = PER_CHUNK.has(field) ? this.#chunks : this.#random.integer(0, Math.min(3, maxItems));
    const pool = this.#pools[field];
    if (pool === undefined) return Array.from({ length }, () => this.#value(items, field));
    // Without one twice.
    const left = [...pool];
    return Array.from({ length: Math.min(length, left.length) }, () => {
      const [drawn] = left.splice(this.#random.integer(0, left.length - 1), 1);
      return drawn;
    });
  }
}
