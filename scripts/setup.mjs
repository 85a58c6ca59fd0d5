#!/usr/bin/env node
/**
 * Makes a clone ready to run, with nothing but Node and npm: installs the dependencies when they are not
 * those of package-lock.json, and with --build compiles when a source has changed since the last time. Quiet
 * and quick when there is nothing to do, and safe when two run at once: the second waits for the first.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'

const ROOT = path.resolve(
  import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
  '..',
)
const NODE_MIN = [20, 19]
const LOCK = path.join(ROOT, '.setup.tmp')
const LOCK_POLL_MS = 100
const BUNDLER = path.join(ROOT, 'scripts', 'bundle.mjs')
const SETTINGS = [
  'tsconfig.json',
  'tsconfig.build.json',
  'package.json',
  'package-lock.json',
  'scripts/bundle.mjs',
]
const STAMP = path.join(ROOT, 'dist', '.built')
const STDIO = ['ignore', 'inherit', 'inherit']

checkNode()
const wantsBuild = process.argv.includes('--build')
if (isInstallNeeded() || (wantsBuild && isBuildNeeded())) {
  const release = lock()
  try {
    if (isInstallNeeded()) install()
    if (wantsBuild && isBuildNeeded()) build()
  } finally {
    release()
  }
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return
  fail(`Node ${NODE_MIN.join('.')} or newer is needed, this is ${process.versions.node}`)
}

/** Whether what npm installed last differs from the lock file. Packages for other platforms may be absent. */
function isInstallNeeded() {
  const installed = readJson(path.join(ROOT, 'node_modules', '.package-lock.json'))
  if (installed === undefined) return true
  const wanted = readJson(path.join(ROOT, 'package-lock.json'))
  return Object.entries(wanted?.packages ?? {}).some(([name, entry]) => {
    if (name === '') return false
    const present = installed.packages?.[name]
    return present === undefined ? entry.optional !== true : present.version !== entry.version
  })
}

function install() {
  say('installing dependencies …')
  const npm = process.env.npm_execpath
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error']
  const [command, ...rest] =
    npm?.endsWith('.js') === true ? [process.execPath, npm, ...args] : ['npm', ...args]
  const { status, error } = spawnSync(command, rest, {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32' && command === 'npm',
  })
  if (error !== undefined) fail(`cannot run npm: ${error.message}`)
  if (status !== 0) fail('npm ci failed, see above')
}

function isBuildNeeded() {
  return readText(STAMP) !== fingerprint() || !fs.existsSync(path.join(ROOT, 'dist', 'cli.js'))
}

function build() {
  say('compiling …')
  // Taken before the compiler reads: what changes meanwhile is compiled the next time.
  const built = fingerprint()
  const tsc = path.join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: ROOT,
    stdio: STDIO,
  })
  if (status !== 0) fail('the sources do not compile, see above')
  removeOrphans(path.join(ROOT, 'dist'), ROOT)
  const bundled = spawnSync(process.execPath, [BUNDLER], { cwd: ROOT, stdio: STDIO })
  if (bundled.status !== 0) fail('the sources cannot be bundled, see above')
  fs.writeFileSync(STAMP, built)
}

/** What the compiler would see: every source with its size and time. */
function fingerprint() {
  const { include: sources } = readJson(path.join(ROOT, 'tsconfig.build.json'))
  const files = [...SETTINGS, ...sources].flatMap((name) => listFiles(path.join(ROOT, name)))
  return files
    .filter((file) => /\.(ts|json|mjs)$/.test(file))
    .map((file) => {
      const { size, mtimeMs } = fs.statSync(file)
      return `${path.relative(ROOT, file)} ${size} ${mtimeMs}`
    })
    .join('\n')
}

/** Removes the types of sources that are no more. What runs is the bundler's to remove. */
function removeOrphans(directory, sources) {
  for (const entry of fs.readdirSync(directory, { withFileTypes: true })) {
    const file = path.join(directory, entry.name)
    if (entry.isDirectory()) {
      removeOrphans(file, path.join(sources, entry.name))
      continue
    }
    const stem = entry.name.replace(/\.d\.ts$/, '')
    if (stem !== entry.name && !fs.existsSync(path.join(sources, `${stem}.ts`))) fs.rmSync(file)
  }
}

function listFiles(file) {
  if (!fs.existsSync(file)) return []
  if (!fs.statSync(file).isDirectory()) return [file]
  return fs
    .readdirSync(file)
    .sort()
    .flatMap((name) => listFiles(path.join(file, name)))
}

/** Waits until no other setup of this clone is at work. One that was killed does not count. */
function lock() {
  for (let hasSaid = false; ; ) {
    try {
      fs.mkdirSync(LOCK)
      fs.writeFileSync(path.join(LOCK, 'pid'), String(process.pid))
      return () => fs.rmSync(LOCK, { recursive: true, force: true })
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (isAbandoned()) {
      fs.rmSync(LOCK, { recursive: true, force: true })
      continue
    }
    if (!hasSaid) say('waiting for another setup of this clone …')
    hasSaid = true
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS)
  }
}

function isAbandoned() {
  const pid = Number(readText(path.join(LOCK, 'pid')))
  // Without a pid the other one is between its two steps, unless it was killed there long ago.
  if (!(pid > 0))
    return Date.now() - (fs.statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? 0) > 5_000
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

function readJson(file) {
  const text = readText(file)
  return text === undefined ? undefined : JSON.parse(text)
}

function readText(file) {
  return fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : undefined
}

function say(text) {
  process.stderr.write(`setup: ${text}\n`)
}

function fail(text) {
  say(text)
  if (readText(path.join(LOCK, 'pid')) === String(process.pid)) {
    fs.rmSync(LOCK, { recursive: true, force: true })
  }
  process.exit(1)
}
