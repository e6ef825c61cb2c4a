/**
 * Columns: long lists of plain values, such as the keys and pages of a batch. Zod checks a list element by element, at a
 * cost of many times the parsing. A column is checked by one loop instead. `pages[3]` is named all the same when it is wrong.
 */
import { z } from 'zod';

/** JSON Schema of an element, for the documents. */
export type ElementSchema = Readonly<Record<string, unknown>>;

/** What is wrong with an element; undefined when nothing is. */
export type ElementFault = (element: unknown) => string | undefined;

/** A list of at most `lengthMax` elements. Its length is checked before its elements. */
export function column<T>(
  lengthMax: number | undefined,
  items: ElementSchema,
  faultOf: ElementFault,
): z.ZodType<T[], T[]> {
  return z
    .custom<T[]>((value) => Array.isArray(value), 'Invalid input: expected array')
    .superRefine((list, context) => {
      if (lengthMax !== undefined && list.length > lengthMax) {
        context.addIssue({ code: 'custom', message: `Too big: expected at most ${lengthMax} elements` });
        return;
      }
      for (let index = 0; index < list.length; index += 1) {
        const message = faultOf(list[index]);
        if (message === undefined) continue;
        context.addIssue({ code: 'custom', path: [index], message });
        return;
      }
    })
    .meta({ type: 'array', ...(lengthMax === undefined ? {} : { maxItems: lengthMax }), items });
}

/** A column of integers from 0 on. */
export function naturals(lengthMax?: number): z.ZodType<number[], number[]> {
  return column(lengthMax, { type: 'integer', minimum: 0 }, (value) =>
    Number.isSafeInteger(value) && (value as number) >= 0 ? undefined : 'expected an integer that is not negative',
  );
}
