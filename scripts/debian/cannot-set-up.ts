/** Why the run cannot be set up on this host, in one line. */
export class CannotSetUp extends Error {
  override readonly name = 'CannotSetUp';
}
