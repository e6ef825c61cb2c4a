export interface DeclaredTest {
  readonly called: 'test' | 'it';
  /** As written: a template has its placeholders. Undefined when it is another expression. */
  readonly name: string | undefined;
}

export function testsIn(file: string, source: string): DeclaredTest[];
export function complaintsAboutTests(files: readonly string[], read: (file: string) => string | undefined): string[];
