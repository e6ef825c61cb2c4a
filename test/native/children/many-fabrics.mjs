/**
 * Opens fabrics until no file descriptor is left. Prints the code of the last, closes them, and opens another.
 * Arguments: path of the facade, directory.
 */
const [, , facade, directory] = process.argv;
const { openNativeFabric } = await import(facade);
const say = (object) => process.stdout.write(`${JSON.stringify(object)}\n`);
const open = () => openNativeFabric({ providers: ['same-host', 'tcp'], socketDirectory: directory });
const fabrics = [];
for (;;) {
  try {
    fabrics.push(await open());
  } catch ({ code, message }) {
    say({ code, message });
    break;
  }
}
await Promise.all(fabrics.map((fabric) => fabric.close()));
const last = await open();
say({ opened: last.unavailable().length === 0 });
await last.close();
