/**
 * Rows: long lists of objects, such as the places of 8,192 chunks. Zod checks one object in about 4 µs. That makes tens of
 * milliseconds for a list. The objects of one list mostly differ in whole numbers only. So a row passes without Zod if its whole
 * numbers lie in the ranges of the same schema, and the rest equals that of the row that Zod accepted last.
 */
import { z } from 'zod';

type Row = Readonly<Record<string, unknown>>;

/** The checked value; undefined: ask Zod. `accepted` is the value of the row that Zod accepted last, if there is one. */
type Quick = (value: unknown, accepted: unknown) => unknown;

/** As `z.array(row).max(lengthMax)`, but faster. A list that is too long is refused before its rows are checked. */
export function rows<S extends z.ZodObject>(row: S, lengthMax: number): z.ZodArray<S> {
  return new ZodRows({ type: 'array', element: row, lengthMax }).max(lengthMax) as unknown as z.ZodArray<S>;
}

interface ZodRowsDef extends z.core.$ZodArrayDef<z.ZodObject> {
  readonly lengthMax: number;
}

interface ZodRows extends z.ZodArray<z.ZodObject> {
  readonly _zod: z.core.$ZodArrayInternals<z.ZodObject> & { def: ZodRowsDef };
}

/** A kind of schema, so that `describe` and `refine`, which copy a schema, keep it. */
const ZodRows = z.core.$constructor<ZodRows, ZodRowsDef>('ZodRows', (schema, def) => {
  const { element, lengthMax } = def;
  z.ZodArray.init(schema, def);
  const quick = quickRow(element);
  const parseList = schema._zod.parse;
  schema._zod.parse = (payload, context) => {
    const { value } = payload;
    // Zod says that it is no list. The check of the length follows this function.
    if (!Array.isArray(value)) return parseList(payload, context);
    if (value.length > lengthMax) return payload;
    let accepted: unknown;
    const checked: unknown[] = [];
    for (const [index, each] of value.entries()) {
      const passed = quick(each, accepted);
      if (passed !== undefined) {
        checked.push(passed);
        continue;
      }
      const result = element._zod.run({ value: each, issues: [] }, context) as z.core.ParsePayload;
      payload.issues.push(...z.core.util.prefixIssues(index, result.issues));
      if (payload.issues.length > 0) return payload;
      accepted = result.value;
      checked.push(accepted);
    }
    payload.value = checked as typeof payload.value;
    return payload;
  };
});

interface Field {
  readonly quick: Quick;
  readonly isOptional: boolean;
  /** What an absent field becomes; undefined: it stays absent. */
  readonly absent: unknown;
}

function quickRow(row: z.ZodObject): Quick {
  // A rule for the object as a whole, or fields without a name: Zod alone can check them.
  if ((row.def.checks ?? []).length > 0 || row.def.catchall?._zod.def.type !== 'never') return () => undefined;
  const fields = new Map(Object.entries(row.shape).map(([name, schema]) => [name, fieldOf(schema)]));
  const required = [...fields.values()].filter(({ isOptional }) => !isOptional).length;
  const defaults = [...fields].flatMap(([name, { absent }]) => (absent === undefined ? [] : [[name, absent] as const]));
  return (value, accepted) => {
    if (typeof value !== 'object' || value === null) return undefined;
    const given = value as Row;
    let checked: Record<string, unknown> | undefined;
    let present = 0;
    for (const name of Object.keys(given)) {
      const field = fields.get(name);
      const before = given[name];
      const after = field?.quick(before, (accepted as Row | undefined)?.[name]);
      if (field === undefined || after === undefined) return undefined;
      if (!field.isOptional) present += 1;
      if (after !== before) {
        checked ??= { ...given };
        checked[name] = after;
      }
    }
    if (present < required) return undefined;
    for (const [name, absent] of defaults) {
      if (Object.hasOwn(given, name)) continue;
      checked ??= { ...given };
      checked[name] = absent;
    }
    return checked ?? given;
  };
}

function fieldOf(schema: z.core.$ZodType): Field {
  if (schema instanceof z.ZodDefault) {
    const { defaultValue, innerType } = schema.def;
    return { quick: fieldOf(innerType).quick, isOptional: true, absent: defaultValue };
  }
  if (schema instanceof z.ZodOptional) {
    return { quick: fieldOf(schema.def.innerType).quick, isOptional: true, absent: undefined };
  }
  return { quick: quickOf(schema), isOptional: false, absent: undefined };
}

function quickOf(schema: z.core.$ZodType): Quick {
  if (schema instanceof z.ZodObject) return quickRow(schema);
  const range = schema instanceof z.ZodNumber ? rangeOf(schema) : undefined;
  if (range !== undefined) {
    return (value) =>
      Number.isSafeInteger(value) && (value as number) >= range.least && (value as number) <= range.most
        ? value
        : undefined;
  }
  return (value, accepted) => (typeof value !== 'object' && value === accepted ? value : undefined);
}

/** Undefined: the schema asks for more than a whole number in a range. */
function rangeOf(schema: z.ZodNumber): { readonly least: number; readonly most: number } | undefined {
  const range = { least: Number.MIN_SAFE_INTEGER, most: Number.MAX_SAFE_INTEGER };
  if ((schema.def as Partial<z.core.$ZodNumberFormatDef>).format !== 'safeint') return undefined;
  for (const { _zod } of schema.def.checks ?? []) {
    const def = _zod.def as z.core.$ZodCheckGreaterThanDef | z.core.$ZodCheckLessThanDef;
    if (!def.inclusive || typeof def.value !== 'number') return undefined;
    if (def.check === 'greater_than') range.least = Math.max(range.least, def.value);
    else if (def.check === 'less_than') range.most = Math.min(range.most, def.value);
    else return undefined;
  }
  return range;
}
