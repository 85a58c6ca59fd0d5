import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFile, mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'

const SCRIPT = path.resolve(import.meta.dirname, '../../../scripts/setup.mjs')

/** Two of those that are compiled. */
const FOLDERS = ['commands', 'shared'] as const

/** Stands in for npm: notes that it ran, takes a moment, and leaves what `npm ci` leaves. */
const NPM = `
import * as fs from 'node:fs'
fs.appendFileSync('installs', process.argv.slice(2).join(' ') + '\\n')
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 150)
fs.mkdirSync('node_modules', { recursive: true })
fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json')
if (fs.existsSync('broken')) process.exit(1)
`

/** Stands in for the compiler: notes that it ran. */
const TSC = `
const fs = require('node:fs')
fs.appendFileSync('builds', 'x')
fs.mkdirSync('dist', { recursive: true })
`

/** Stands in for the bundler: writes what it is run for. */
const BUNDLE = `
import * as fs from 'node:fs'
fs.appendFileSync('builds', 'y')
fs.writeFileSync('dist/cli.js', '')
if (fs.existsSync('broken')) process.exit(1)
`

describe('setup', () => {
  let clone: string
  beforeEach(async () => {
    clone = await mkdtemp(path.join(tmpdir(), 'petiole-setup-'))
    await mkdir(path.join(clone, 'scripts'))
    await copyFile(SCRIPT, path.join(clone, 'scripts', 'setup.mjs'))
    await writeFile(path.join(clone, 'npm-cli.js'), NPM)
    await writeFile(path.join(clone, 'package.json'), '{"type":"module"}')
    await lockFile(clone, '1.0.0')
    const settings = { include: ['cli.ts', ...FOLDERS] }
    await writeFile(path.join(clone, 'tsconfig.build.json'), JSON.stringify(settings))
    await writeFile(path.join(clone, 'cli.ts'), '')
    for (const folder of FOLDERS) {
      await mkdir(path.join(clone, folder))
      await writeFile(path.join(clone, folder, 'one.ts'), '')
    }
  })
  afterEach(() => rm(clone, { recursive: true, force: true }))

  it('installs once, also when two run at once, and then has nothing to do', async () => {
    const both = await Promise.all([setup(clone), setup(clone)])
    assert.deepEqual(
      both.map(({ code }) => code),
      [0, 0],
      both.map(({ text }) => text).join(),
    )
    assert.equal(
      await noted(clone, 'installs'),
      'ci --include=dev --no-audit --no-fund --loglevel=error\n',
    )
    const again = await setup(clone)
    assert.deepEqual([again.code, again.text], [0, ''])
    assert.equal((await noted(clone, 'installs')).split('\n').length, 2)
  })

  it('installs again when the lock file asks for another version', async () => {
    await setup(clone)
    await lockFile(clone, '1.0.1')
    await setup(clone)
    assert.equal((await noted(clone, 'installs')).split('\n').length, 3)
  })

  it('says that installing failed, and leaves no lock behind', async () => {
    await writeFile(path.join(clone, 'broken'), '')
    const failed = await setup(clone)
    assert.equal(failed.code, 1)
    assert.match(failed.text, /setup: npm ci failed, see above\n$/)
    await rm(path.join(clone, 'broken'))
    assert.equal((await setup(clone)).code, 0)
  })

  it('takes over from a setup that was killed', async () => {
    await mkdir(path.join(clone, '.setup.tmp'))
    await writeFile(path.join(clone, '.setup.tmp', 'pid'), '999999999')
    assert.equal((await setup(clone)).code, 0)
  })

  it('compiles when a source has changed, and only then', async () => {
    await withCompiler(clone)
    for (let i = 0; i < 2; i++) assert.equal((await setup(clone, '--build')).code, 0)
    assert.equal(await noted(clone, 'builds'), 'xy')
    await writeFile(path.join(clone, 'dist', 'two.d.ts'), '')
    for (const [i, folder] of FOLDERS.entries()) {
      await utimes(path.join(clone, folder, 'one.ts'), 1, 1)
      assert.equal((await setup(clone, '--build')).code, 0)
      assert.equal(await noted(clone, 'builds'), 'xy'.repeat(i + 2))
    }
    await assert.rejects(readFile(path.join(clone, 'dist', 'two.d.ts')), { code: 'ENOENT' })
  })

  it('compiles when the way to bundle has changed', async () => {
    await withCompiler(clone)
    assert.equal((await setup(clone, '--build')).code, 0)
    await utimes(path.join(clone, 'scripts', 'bundle.mjs'), 1, 1)
    assert.equal((await setup(clone, '--build')).code, 0)
    assert.equal(await noted(clone, 'builds'), 'xyxy')
  })

  it('says that bundling failed, and tries again the next time', async () => {
    await withCompiler(clone)
    await writeFile(path.join(clone, 'broken'), '')
    const failed = await setup(clone, '--build')
    assert.equal(failed.code, 1)
    assert.match(failed.text, /setup: the sources cannot be bundled, see above\n$/)
    await rm(path.join(clone, 'broken'))
    assert.equal((await setup(clone, '--build')).code, 0)
    assert.equal(await noted(clone, 'builds'), 'xyxy')
  })
})

async function setup(clone: string, ...args: string[]) {
  const child = spawn(process.execPath, [path.join(clone, 'scripts', 'setup.mjs'), ...args], {
    env: { ...process.env, npm_execpath: path.join(clone, 'npm-cli.js') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  const [code] = await once(child, 'close')
  return { code: code as number, text }
}

async function withCompiler(clone: string): Promise<void> {
  await setup(clone)
  const compiler = path.join(clone, 'node_modules', 'typescript', 'bin')
  await mkdir(compiler, { recursive: true })
  await writeFile(path.join(clone, 'node_modules', 'package.json'), '{"type":"commonjs"}')
  await writeFile(path.join(compiler, 'tsc'), TSC)
  await writeFile(path.join(clone, 'scripts', 'bundle.mjs'), BUNDLE)
}

async function lockFile(clone: string, version: string): Promise<void> {
  const packages = {
    '': {},
    'node_modules/x': { version },
    'node_modules/y': { version, optional: true },
  }
  await writeFile(path.join(clone, 'package-lock.json'), JSON.stringify({ packages }))
}

async function noted(clone: string, file: string): Promise<string> {
  return readFile(path.join(clone, file), 'utf8')
}
