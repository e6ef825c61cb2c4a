/** The package as `npm install --omit=optional` leaves it: packed, unpacked, and beside it only what it depends on. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

export interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly optionalDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly gypfile: boolean;
}

export class PackedPackage implements Disposable {
  /** Programs in this folder can import `kvferry/client`. */
  readonly directory = mkdtempSync(join(tmpdir(), 'kvferry-package-'));
  readonly files: readonly string[];
  readonly manifest: Manifest;

  constructor() {
    const modules = join(this.directory, 'node_modules');
    const home = join(modules, 'kvferry');
    mkdirSync(home, { recursive: true });
    const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', this.directory];
    const packed = execFileSync('npm', pack, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
    const [{ filename }] = JSON.parse(packed) as [{ readonly filename: string }];
    const tarball = join(this.directory, filename);
    this.files = execFileSync('tar', ['-xzvf', tarball, '-C', home, '--strip-components=1'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((name) => name.replace(/^package\//, ''));
    this.manifest = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as Manifest;
    // Links lead out of this folder, so what these packages need themselves is found, and nothing else.
    for (const name of [...Object.keys(this.manifest.dependencies), '@types/node']) {
      mkdirSync(dirname(join(modules, name)), { recursive: true });
      symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
  }

  /** Checks a TypeScript file of this folder against the declarations of the package. Throws with what is wrong. */
  checkTypes(file: string): void {
    const options = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--lib', 'es2023,esnext.disposable'];
    const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
    const args = [compiler, '--noEmit', ...options, '--types', 'node', file];
    try {
      execFileSync(process.execPath, args, { cwd: this.directory, encoding: 'utf8' });
    } catch (error) {
      throw new Error((error as { readonly stdout: string }).stdout, { cause: error });
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true });
  }
}
