#!/usr/bin/env node
/**
 * Fetches the servers that interop tests and benchmarks run against into .peers/bin: the newest nats-server 2.x,
 * built with Go where there is Go and else taken from the system's packages, and mosquitto from the packages.
 * What is there already stays; what cannot be had is said, and the tests that need it are skipped.
 *
 *   node scripts/peers.mjs             print where each is, exit 1 when one is missing
 *   node scripts/peers.mjs --force     fetch nats-server again
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
const found = [
  ['nats-server', peer('nats-server', [buildNatsServer, () => installPackage('nats-server')])],
  ['mosquitto', peer('mosquitto', [() => installPackage('mosquitto')])],
]
for (const [name, file] of found) {
  const version = file === undefined ? 'is not there, and cannot be had' : versionOf(file)
  process.stdout.write(`${name}: ${file ?? ''} ${version}\n`)
}
process.exitCode = found.every(([, file]) => file !== undefined) ? 0 : 1

/** The peer's path in .peers/bin, after as many ways of getting it as it takes. */
function peer(name, ways) {
  const wanted = path.join(BIN, name)
  const isFresh = isForced && name === 'nats-server'
  if (!isFresh && fs.existsSync(wanted)) return wanted
  const present = isFresh ? undefined : onSystem(name)
  // A build beats what the system happens to have: distributions ship nats-server years old.
  const order =
    name === 'nats-server'
      ? [ways[0], () => link(name, present), ways[1]]
      : [() => link(name, present), ...ways]
  for (const way of order) {
    way()
    if (fs.existsSync(wanted)) return wanted
    link(name, onSystem(name))
    if (name !== 'nats-server' && fs.existsSync(wanted)) return wanted
  }
  return fs.existsSync(wanted) ? wanted : undefined
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

function installPackage(name) {
  if (spawnSync('apt-get', ['--version']).status !== 0) {
    return say(`install ${name} with the system's package manager, then run this again`)
  }
  if (process.getuid?.() !== 0) return say(`as root: apt-get install ${name}, then run this again`)
  say(`installing ${name} from the system's packages …`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const args = ['install', '-y', '-q', '--no-install-recommends', name]
  const { status, stderr } = spawnSync('apt-get', args, { env, encoding: 'utf8' })
  if (status !== 0) say(`apt-get install ${name} failed: ${lastLine(stderr)}`)
}

function onSystem(name) {
  const places = [...(process.env.PATH ?? '').split(path.delimiter), ...SYSTEM_PATHS]
  return places
    .filter((place) => place !== '' && !place.startsWith(ROOT))
    .map((place) => path.join(place, name))
    .find((file) => fs.existsSync(file))
}

function link(name, file) {
  if (file !== undefined && !fs.existsSync(path.join(BIN, name))) {
    fs.symlinkSync(file, path.join(BIN, name))
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
