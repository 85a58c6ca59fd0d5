#!/usr/bin/env node
/**
 * Makes dist/ from the sources: few files instead of some five hundred, since finding and linking modules was
 * more than half of the time from start to ready. What a start needs of other packages is bundled too, with their
 * licenses beside it; what is loaded on demand stays in node_modules. A source map is for those who start
 * node with --enable-source-maps: names are kept, so that stack traces can be read without.
 */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { build } from 'esbuild'

const ROOT = path.resolve(import.meta.dirname, '..')
const DIST = path.join(ROOT, 'dist')

/** The last two are for scripts/start.mjs, which reads configurations as the roles do. */
const ENTRIES = ['cli.ts', 'index.ts', 'shared/config/index.ts', 'shared/runtime/index.ts']

/** What `import()` or `require` loads when somebody asks for it. */
const ON_DEMAND = ['@nats-io/transport-node', 'commander', 'prom-client']

/** What cli.ts has node keep here. */
const COMPILED = '.compiled'

/** Packages that are CommonJS ask for node's own modules by `require`. */
const REQUIRE = `import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);`

const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ENTRIES,
  outbase: '.',
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  external: ON_DEMAND,
  banner: { js: REQUIRE },
  minifySyntax: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
})
writeLicenses(Object.keys(metafile.inputs))
removeOthers(new Set(Object.keys(metafile.outputs).map((file) => path.join(ROOT, file))))
fs.chmodSync(path.join(DIST, 'cli.js'), 0o755)

/** Of every package that a part was taken of, as its license asks for. */
function writeLicenses(inputs) {
  const packages = inputs.flatMap((file) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? [])
  const texts = [...new Set(packages)].sort().map((folder) => {
    const { name, version, license } = JSON.parse(
      fs.readFileSync(path.join(ROOT, folder, 'package.json'), 'utf8'),
    )
    const file = fs
      .readdirSync(path.join(ROOT, folder))
      .find((entry) => /^(un)?licen[cs]e/i.test(entry))
    const text = file === undefined ? '' : fs.readFileSync(path.join(ROOT, folder, file), 'utf8')
    return `${name} ${version}: ${license}\n\n${text}`
  })
  fs.writeFileSync(path.join(DIST, 'LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`))
}

/** Removes the code of earlier builds, and what node remembers of it. */
function removeOthers(written, directory = DIST) {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name)
    if (entry.name === COMPILED) fs.rmSync(file, { recursive: true })
    else if (entry.isDirectory()) removeOthers(written, file)
    else if (/\.js(\.map)?$/.test(entry.name) && !written.has(file)) fs.rmSync(file)
  }
}
