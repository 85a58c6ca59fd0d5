#!/usr/bin/env node
/**
 * `npm start`: a hub and a leaf on this machine, each its own process, from deploy/examples. Says when each is
 * ready and what to try then. Ctrl-C drains and stops both, a second one kills them. When one ends by
 * itself, the other is stopped and the exit code tells; when somebody kills one, the other goes on, as it
 * would in real life.
 *
 *   npm start -- --demo                a simulated plant of 20 sensors beside them
 *   npm start -- --hub FILE --leaf FILE   other configuration files
 */
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { ManagedProcess } from './managed-process.mjs'
import { takenPorts } from './taken-ports.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const CLI = path.join(ROOT, 'dist', 'cli.js')
/** npm passes a Ctrl-C on to a script that the terminal has told already: that is one, not two. */
const SAME_SIGNAL_MS = 500

const { values: options } = parseArgs({
  options: {
    demo: { type: 'boolean', default: false },
    hub: { type: 'string', default: path.join('deploy', 'examples', 'hub.conf') },
    leaf: { type: 'string', default: path.join('deploy', 'examples', 'leaf.conf') },
  },
})

/** What runs, in the order of starting; it is stopped from the end. */
const running = []
let stopAskedMs
let exitCode = 0

if (!fs.existsSync(CLI)) fail('not compiled yet: run npm run build')
const [hub, leaf] = await Promise.all([load('hub', options.hub), load('leaf', options.leaf)])
await checkPorts()
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, stopAll)

await start('hub', [CLI, 'hub', '-c', options.hub])
await start('leaf', [CLI, 'leaf', '-c', options.leaf])
if (stopAskedMs === undefined) {
  printHints()
  if (options.demo) await start('plant', [path.join(ROOT, 'scripts', 'demo-plant.mjs'), mqttUrl()])
}

/** The configuration as the role itself will read it. */
async function load(role, file) {
  const { loadConfig } = await import('../dist/shared/config/index.js')
  const { SystemDisk } = await import('../dist/shared/runtime/index.js')
  try {
    return (await loadConfig(new SystemDisk(), file, role)).config
  } catch (error) {
    return fail(error.message)
  }
}

/** Before anything runs: a port that is taken is the one thing that goes wrong on other people's machines. */
async function checkPorts() {
  const taken = [
    ...(await takenPorts(hub)).map((door) => ({ ...door, file: options.hub })),
    ...(await takenPorts(leaf)).map((door) => ({ ...door, file: options.leaf })),
  ]
  if (taken.length === 0) return
  const lines = taken.map(({ port, key, what, file }) => {
    return `port ${port} is taken: ${what} need it. Change ${key} in ${file}`
  })
  fail(`${lines.join('\n')}\nIs another Petiole, nats-server or MQTT broker running here?`)
}

async function start(name, args) {
  if (stopAskedMs !== undefined) return
  const child = new ManagedProcess(name, args, ROOT)
  running.push(child)
  child.ended.then(({ code, signal }) => onEnd(child, args, code, signal))
  const isReady = await child.ready
  if (isReady) say(`${name} is ready (process ${child.pid})`)
}

/** One that fails takes the others with it, one that was killed does not. */
function onEnd(child, args, code, signal) {
  running.splice(running.indexOf(child), 1)
  if (stopAskedMs === undefined && signal !== '') {
    exitCode = 1
    const rest = running.length > 0 ? 'the rest goes on; start' : 'nothing is left; start'
    const again = ['node', path.relative(ROOT, args[0]), ...args.slice(1)].join(' ')
    say(`${child.name} was killed (${signal}), ${rest} it again with\n  ${again}`)
    if (running.length === 0) process.exit(exitCode)
    return
  }
  if (stopAskedMs === undefined) {
    exitCode = code === 0 ? 1 : code
    const rest = running.length === 0 ? '' : ', stopping the rest'
    say(`${child.name} ended by itself (code ${code})${rest}`)
    stopAskedMs = performance.now()
  }
  if (running.length === 0) process.exit(exitCode)
  stopNext()
}

/** First finish what is in hand, sensors before leaf before hub; a second Ctrl-C does not. */
function stopAll() {
  const nowMs = performance.now()
  if (stopAskedMs === undefined) {
    stopAskedMs = nowMs
    say('stopping (Ctrl-C again to kill)')
    if (running.length === 0) process.exit(0)
    stopNext()
  } else if (nowMs - stopAskedMs > SAME_SIGNAL_MS) {
    exitCode = 1
    for (const child of running) child.kill()
  }
}

function stopNext() {
  running.at(-1)?.stop()
}

function printHints() {
  const mqtt = leaf.mqtt?.listen.port
  const monitor = [hub, leaf].map((role) => role.http?.port).filter((port) => port !== undefined)
  const server = `nats://127.0.0.1:${hub.port}`
  const stream = hub.fleet.streams[0]?.name
  const lines = [
    '',
    'Publish a reading as a sensor does (-q 1: acknowledged when it is on disk):',
    `  mosquitto_pub -p ${mqtt} -q 1 -t plant/press-7/temp -m 21.5`,
    '',
    'Read it at the hub:',
    `  nats -s ${server} sub 'plant.>'`,
    ...(stream === undefined ? [] : [`  nats -s ${server} stream info ${stream}`]),
    '',
    'See whether every site is in sync:',
    `  node dist/cli.js fleet status --watch${hub.port === 4222 ? '' : ` --hub ${server}`}`,
    '',
    ...monitor.map((port) => `Monitoring: http://127.0.0.1:${port}/`),
    'Ctrl-C stops both.',
    '',
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

function mqttUrl() {
  return `mqtt://127.0.0.1:${leaf.mqtt?.listen.port ?? 1883}`
}

function say(text) {
  process.stdout.write(`── ${text}\n`)
}

function fail(text) {
  process.stderr.write(`${text}\n`)
  process.exit(1)
}
