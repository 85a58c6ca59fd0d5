#!/usr/bin/env node
/**
 * Fetches the servers that interop tests and benchmarks run against into .peers/bin: the newest nats-server 2.x,
 * built with Go where there is Go and else taken from the system's packages, and mosquitto from the packages.
 * What is there already stays; what cannot be had is said, and the tests that need it fail.
 *
 *   node scripts/peers.mjs             print where each is, exit 1 when one is missing
 *   node scripts/peers.mjs --force     fetch them again
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'

const ROOT = path.resolve(import.meta.dirname, '..')
const BIN = path.join(ROOT, '.peers', 'bin')
const NATS_SERVER = 'github.com/nats-io/nats-server/v2@latest'
const SYSTEM_PATHS = ['/usr/sbin', '/usr/local/sbin', '/usr/bin', '/usr/local/bin']

const isForced = process.argv.includes('--force')
fs.mkdirSync(BIN, { recursive: true })
// A build comes first: distributions ship a nats-server that is years old.
const found = [
  [
    'nats-server',
    peer('nats-server', [buildNatsServer, linkTo('nats-server'), packaged('nats-server')]),
  ],
  ['mosquitto', peer('mosquitto', [linkTo('mosquitto'), packaged('mosquitto')])],
  ...['mosquitto_pub', 'mosquitto_sub'].map((name) => [
    name,
    peer(name, [linkTo(name), packaged(name, 'mosquitto-clients')]),
  ]),
]
for (const [name, file] of found) {
  const version = file === undefined ? 'is not there, and cannot be had' : versionOf(file)
  process.stdout.write(`${name}: ${file ?? ''} ${version}\n`)
}
process.exitCode = found.every(([, file]) => file !== undefined) ? 0 : 1

/** The peer's path in .peers/bin: as it is there, else the first of the ways that gets it. */
function peer(name, ways) {
  const file = path.join(BIN, name)
  if (isForced) fs.rmSync(file, { force: true })
  for (const way of [() => {}, ...ways]) {
    way()
    if (fs.existsSync(file)) return file
  }
  return undefined
}

function buildNatsServer() {
  const go = ['go', '/usr/local/go/bin/go'].find(
    (file) => spawnSync(file, ['version']).status === 0,
  )
  if (go === undefined) return say('there is no Go: cannot build the newest nats-server')
  say('building nats-server, this takes a minute …')
  const { status, stderr } = spawnSync(go, ['install', NATS_SERVER], {
    env: { ...process.env, GOBIN: BIN, GOFLAGS: '-trimpath' },
    encoding: 'utf8',
  })
  if (status !== 0) say(`go install failed: ${lastLine(stderr)}`)
}

/** Installs a package where that can be done unasked, else says what to do. */
function installPackage(name) {
  if (spawnSync('apt-get', ['--version']).status !== 0) {
    return say(`install ${name} with the system's package manager, then run this again`)
  }
  if (process.getuid?.() !== 0) return say(`as root: apt-get install ${name}, then run this again`)
  say(`installing ${name} from the system's packages …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  // On a new machine the lists of packages are empty; a failed update shows in the install.
  spawnSync('apt-get', ['update', '-q'], { env })
  const args = ['install', '-y', '-q', '--no-install-recommends', name]
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
  if (status !== 0) say(`apt-get install ${name} failed: ${lastLine(stderr)}`)
}

function packaged(name, from = name) {
  return () => {
    installPackage(from)
    linkTo(name)()
  }
}

/** Puts a link to the system's own into .peers/bin, if the system has it. */
function linkTo(name) {
  return () => {
    const file = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_PATHS]
      .filter((place) => place !== '' && !place.startsWith(ROOT))
      .map((place) => path.join(place, name))
      .find((candidate) => fs.existsSync(candidate))
    if (file !== undefined) fs.symlinkSync(file, path.join(BIN, name))
  }
}

function versionOf(file) {
  const flag = path.basename(file) === 'mosquitto' ? '-h' : '--version'
  const { stdout, stderr } = spawnSync(file, [flag], { encoding: 'utf8' })
  return `${stdout}${stderr}`.split('\n')[0]
}

function lastLine(text) {
  return text.trim().split('\n').at(-1) ?? ''
}

function say(text) {
  process.stderr.write(`peers: ${text}\n`)
}
