import assert from 'node:assert/strict'
import { type Processes, sendSignal } from '../../../process/signal-sender.ts'

/** A machine with these processes; remembers who was told what. */
function machine(pids: readonly number[], files: Readonly<Record<string, string>> = {}) {
  const told: [number, string][] = []
  const processes: Processes = {
    find: () => pids,
    signal: (pid, signal) => {
      if (!pids.includes(pid)) throw Object.assign(new Error('kill ESRCH'), { code: 'ESRCH' })
      told.push([pid, signal])
    },
    readFile: (path) => files[path],
  }
  return { told, send: (asked: string) => sendSignal(asked, 'nats-server', processes) }
}

describe('signal sender', () => {
  it('knows all commands of nats-server', () => {
    const { told, send } = machine([7])
    for (const command of ['stop', 'quit', 'term', 'reopen', 'reload', 'ldm']) send(`${command}=7`)
    assert.deepEqual(
      told.map(([, signal]) => signal),
      ['SIGKILL', 'SIGINT', 'SIGTERM', 'SIGUSR1', 'SIGHUP', 'SIGUSR2'],
    )
  })

  it('finds the process by id, by file, by pattern, or because it is the only one', () => {
    const one = machine([41], { '/run/pid': '41\n' })
    one.send('reload=41')
    one.send('reload=/run/pid')
    one.send('reload')
    assert.deepEqual(
      one.told.map(([pid]) => pid),
      [41, 41, 41],
    )
    const many = machine([41, 42, 51])
    many.send('quit=4*')
    assert.deepEqual(
      many.told.map(([pid]) => pid),
      [41, 42],
    )
  })

  const faults: readonly (readonly [pids: readonly number[], asked: string, message: string])[] = [
    [[1, 2], 'reload', 'multiple nats-server processes running:\n1\n2'],
    [[], 'reload', 'no nats-server processes running'],
    [[1], 'reload=abc', 'invalid pid: abc'],
    [[1], 'reload=1=2', 'invalid signal parameters: [2]'],
    [[1], 'restart', 'unknown signal "restart"'],
    [[1], 'constructor', 'unknown signal "constructor"'],
    [[1], 'reload=9', '\nsignal "reload" 9: no such process'],
  ]
  for (const [pids, asked, message] of faults) {
    it(`${asked} of ${pids.length}`, () => {
      assert.throws(() => machine(pids).send(asked), { code: 'PETIOLE_BAD_SIGNAL', message })
    })
  }
})
