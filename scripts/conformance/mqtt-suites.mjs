/**
 * The tests of both suites as commands, and how one is run: in a process group of its own, at a free port, with
 * a folder for its server's data, until it ends or its time is over. Both are written in Python 3 and need nothing
 * but its standard library.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import * as net from 'node:net'
import * as path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { CORRECTIONS } from './mqtt-corrections.mjs'

const PYTHON = 'python3'
const PAHO_DRIVER = path.join(import.meta.dirname, 'paho-test.py')
/** How long a test may take: the longest of those that pass wait half of it. */
const TEST_MS = 60_000
const READY_MS = 20_000
const PORT_MIN = 20_000
const PORTS = 10_000
const OUTPUT_CHARS = 20_000
const DETAIL_LINES = 4

/** A test class of each version; what it defines as `test…` is a test. */
const PAHO_FILES = [
  ['Paho 3.1.1', 'v3', 'client_test'],
  ['Paho MQTT 5', 'v5', 'client_test5'],
]

/** They give a server two seconds to listen, which says how busy the machine is. */
const MORE_PATIENCE = [{ from: 'range(0, 20)', to: 'range(0, 200)' }]

export function pahoTests(checkout, scratch, server) {
  const folder = path.join(scratch, 'paho')
  fs.cpSync(path.join(checkout, 'interoperability'), folder, { recursive: true })
  return PAHO_FILES.flatMap(([suite, version, module]) => {
    const source = fs.readFileSync(path.join(folder, `${module}.py`), 'utf8')
    return [...source.matchAll(/^ +def (test\w+)\(self\)/gm)].map(([, name]) => ({
      suite,
      name: `${version}.${name}`,
      folder,
      isCorrected: false,
      // These tests want a server that runs.
      server,
      command: (port) => [PYTHON, PAHO_DRIVER, folder, module, `${port}`, name],
    }))
  })
}

/**
 * mosquitto's tests start `../../src/mosquitto` themselves: they run in a copy of theirs in which that is the
 * server to be tested. Those with a configuration file test mosquitto's configuration.
 *
 * @param isAsWritten without what mqtt-corrections.mjs changes
 */
export function mosquittoTests(checkout, scratch, server, isAsWritten) {
  const copy = path.join(scratch, 'mosquitto')
  fs.cpSync(path.join(checkout, 'test'), path.join(copy, 'test'), { recursive: true })
  fs.mkdirSync(path.join(copy, 'src'))
  fs.symlinkSync(server.file, path.join(copy, 'src', 'mosquitto'))
  const folder = path.join(copy, 'test', 'broker')
  const sourceOf = (file) => fs.readFileSync(path.join(folder, file), 'utf8')
  // One test of many small ones has come in place of many in 2.0.12.
  const isNew = fs.existsSync(path.join(folder, 'msg_sequence_test.py'))
  const corrections = isAsWritten ? {} : CORRECTIONS[isNew ? 'since2012' : 'before2012']
  correct(folder, { '../mosq_test.py': MORE_PATIENCE, ...corrections })
  const list = sourceOf('test.py')
  const files = [...list.matchAll(/^\s*\(\d+, '\.\/([\w-]+\.py)'\)/gm)].map(([, file]) => file)
  // v2.0.11 lists one that it has not.
  const there = [...new Set(files)].filter((file) => fs.existsSync(path.join(folder, file)))
  return there
    .filter((file) => {
      const source = sourceOf(file)
      const run = [...source.matchAll(/'\.\/([\w-]+\.py)'/g)].map(([, other]) => sourceOf(other))
      return ![source, ...run].some((text) => /conf/i.test(text))
    })
    .map((file) => ({
      suite: 'mosquitto',
      name: path.basename(file, '.py'),
      folder,
      isCorrected: file in corrections,
      command: (port) => [PYTHON, `./${file}`, `${port}`],
    }))
}

function correct(folder, corrections) {
  for (const [file, changes] of Object.entries(corrections)) {
    const place = path.join(folder, file)
    let source = fs.readFileSync(place, 'utf8')
    for (const { from, to } of changes) {
      if (!source.includes(from)) throw new Error(`${file} has no ${JSON.stringify(from)}`)
      source = source.replaceAll(from, to)
    }
    fs.writeFileSync(place, source)
  }
}

/** `{ isPassed, detail, output, ms }`; detail has the lines that say which packet was wanted, and which came. */
export async function runTest(test, scratch) {
  const port = await freePort()
  const data = fs.mkdtempSync(path.join(scratch, 'data-'))
  const env = { ...process.env, TMPDIR: data, PYTHONDONTWRITEBYTECODE: '1' }
  const started = Date.now()
  const server =
    test.server &&
    spawn(test.server.file, test.server.argumentsFor(port), {
      env,
      detached: true,
      stdio: 'ignore',
    })
  try {
    if (server) await listening(port)
    const { isPassed, output } = await ended(test.command(port), test.folder, env)
    return { isPassed, output, detail: detailOf(output), ms: Date.now() - started }
  } finally {
    if (server) stopGroup(server)
    fs.rmSync(data, { recursive: true, force: true })
  }
}

async function ended([file, ...args], cwd, env) {
  const child = spawn(file, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output = (output + text).slice(-OUTPUT_CHARS)
    })
  }
  const deadline = setTimeout(() => {
    output += `\nnot done after ${TEST_MS} ms\n`
    stopGroup(child)
  }, TEST_MS)
  const stop = () => stopGroup(child)
  process.on('exit', stop)
  const [code] = await once(child, 'exit')
  clearTimeout(deadline)
  // What a failed test started is still there.
  stop()
  process.off('exit', stop)
  return { isPassed: code === 0, output }
}

function stopGroup(child) {
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // Nothing of it is left.
  }
}

function detailOf(output) {
  const lines = output.split('\n').map((line) => line.trim())
  const telling = lines.filter((line) =>
    /^(FAIL|Received|Expected|not done|AssertionError|proto_ver)|Error: |^[A-Z]\w*(Error|Exception)\b/.test(
      line,
    ),
  )
  return (telling.length > 0 ? telling : lines.filter((line) => line !== '').slice(-2)).slice(
    0,
    DETAIL_LINES,
  )
}

/** Below the ports that systems give out by themselves: the servers let theirs for NATS clients be chosen. */
async function freePort() {
  for (;;) {
    const port = PORT_MIN + Math.floor(Math.random() * PORTS)
    const probe = net.createServer()
    const isFree = await new Promise((resolve) => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    probe.close()
    await once(probe, 'close')
    return port
  }
}

async function listening(port) {
  for (const endMs = Date.now() + READY_MS; Date.now() < endMs; await delay(50)) {
    const socket = net.connect(port, '127.0.0.1')
    const isThere = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    })
    socket.destroy()
    if (isThere) return
  }
  throw new Error(`no server at port ${port}`)
}
