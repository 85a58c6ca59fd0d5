import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const READY = 'Server is ready'
const COLOURS = { hub: 36, leaf: 32, plant: 35 }
const NAME_WIDTH = 6
/** Fields of a log line that are shown elsewhere. */
const SHOWN = new Set(['level', 'time', 'msg', 'err', 'pid', 'hostname'])

/** One process of `npm start`: its log rendered for people, ready when it says so. */
export class ManagedProcess {
  /** Resolves to whether it became ready; false when it ended first. */
  ready
  /** Resolves to `{ code, signal }`; the signal is '' when it ended by itself. */
  ended
  #child
  #isStopping = false

  constructor(name, args, directory) {
    this.name = name
    // Its own process group: a Ctrl-C in the terminal is ours to pass on, once and in order.
    this.#child = spawn(process.execPath, args, {
      cwd: directory,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    // Left behind, it would hold its ports: whatever ends us, ends it.
    const onExit = () => this.kill()
    process.on('exit', onExit)
    this.ended = new Promise((resolve) => {
      this.#child.once('error', () => resolve({ code: 1, signal: '' }))
      this.#child.once('close', (code, signal) => {
        process.off('exit', onExit)
        resolve({ code: code ?? 1, signal: signal ?? '' })
      })
    })
    this.ready = new Promise((resolve) => {
      this.ended.then(() => resolve(false))
      this.#read(this.#child.stdout, () => resolve(true))
      this.#read(this.#child.stderr, () => resolve(true))
    })
  }

  get pid() {
    return this.#child.pid
  }

  /** Asks it to finish what is in hand. */
  stop() {
    if (this.#isStopping) return
    this.#isStopping = true
    this.#child.kill('SIGTERM')
  }

  kill() {
    this.#child.kill('SIGKILL')
  }

  #read(stream, onReady) {
    createInterface({ input: stream }).on('line', (line) => {
      const entry = parseEntry(line)
      process.stdout.write(`${prefix(this.name)} ${entry === undefined ? line : render(entry)}\n`)
      if ((entry?.msg ?? line) === READY) onReady()
    })
  }
}

/** A JSON log line; undefined for anything else. */
function parseEntry(line) {
  if (!line.startsWith('{')) return undefined
  try {
    const entry = JSON.parse(line)
    return typeof entry.msg === 'string' ? entry : undefined
  } catch {
    return undefined
  }
}

function render(entry) {
  const time = new Date(entry.time ?? Date.now()).toTimeString().slice(0, 8)
  const level = String(entry.level).toUpperCase().padEnd(5)
  const fields = Object.entries(entry)
    .filter(([key]) => !SHOWN.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
  const error = entry.err === undefined ? '' : `: ${entry.err.message ?? JSON.stringify(entry.err)}`
  return [time, level, `${entry.msg}${error}`, dim(fields.join(' '))].join(' ').trimEnd()
}

function prefix(name) {
  return paint(COLOURS[name] ?? 0, name.padEnd(NAME_WIDTH))
}

function dim(text) {
  return text === '' ? '' : paint(2, text)
}

function paint(code, text) {
  const isPlain = !process.stdout.isTTY || process.env.NO_COLOR !== undefined
  return isPlain ? text : `\x1b[${code}m${text}\x1b[0m`
}
