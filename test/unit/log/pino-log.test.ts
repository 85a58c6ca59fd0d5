import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import * as path from 'node:path'
import { createLog, type LogOptions, type LogSettings } from '../../../shared/log/index.ts'
import { PetioleError } from '../../../shared/runtime/index.ts'

const SETTINGS: LogSettings = { debug: false, trace: false, logtime: true, log_file: '' }

/** A log and the lines that it wrote. */
function logged(settings: Partial<LogSettings> = {}, options: LogOptions = {}) {
  const lines: string[] = []
  const write = (line: string): void => {
    lines.push(line)
  }
  return { log: createLog({ ...SETTINGS, ...settings }, { ...options, write }), lines }
}

function parsed(line: string | undefined): Record<string, unknown> {
  return JSON.parse(line ?? '{}')
}

describe('log', () => {
  it('writes one JSON object per line, with the message as it was given', () => {
    const { log, lines } = logged()
    log.info({ port: 4222 }, 'Server is ready')
    const { time, ...rest } = parsed(lines[0])
    assert.deepEqual(rest, { level: 'info', port: 4222, msg: 'Server is ready' })
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/)
    assert.match(lines[0] ?? '', /\n$/)
  })

  it('says what debug and trace ask for, and no more', () => {
    const levels = (settings: Partial<LogSettings>): string[] => {
      const { log, lines } = logged(settings)
      for (const level of ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const) {
        log[level]({}, 'x')
      }
      return lines.map((line) => String(parsed(line)['level']))
    }
    assert.deepEqual(levels({}), ['info', 'warn', 'error', 'fatal'])
    assert.deepEqual(levels({ debug: true }), ['debug', 'info', 'warn', 'error', 'fatal'])
    assert.equal(levels({ trace: true }).length, 6)
  })

  it('leaves the time out when asked to', () => {
    const { log, lines } = logged({ logtime: false })
    log.info({}, 'x')
    assert(!('time' in parsed(lines[0])))
  })

  it('carries the fields of a child', () => {
    const { log, lines } = logged()
    log.child({ cid: 7 }).child({ account: 'A' }).warn({ n: 1 }, 'x')
    assert.deepEqual(
      [parsed(lines[0])['cid'], parsed(lines[0])['account'], parsed(lines[0])['n']],
      [7, 'A', 1],
    )
  })

  it('never writes a secret', () => {
    const { log, lines } = logged({}, { redact: ['deep.down.word'] })
    const secret = 'hunter2'
    log.info({ password: secret, token: secret }, 'x')
    log.info({ connect: { pass: secret, auth_token: secret, jwt: secret } }, 'x')
    log.info({ deep: { down: { word: secret } } }, 'x')
    log.child({ credentials: secret }).info({}, 'x')
    assert.equal(lines.length, 4)
    assert(!lines.join('').includes(secret), lines.join(''))
  })

  it('writes an expected error with its code and cause, an unexpected one with its stack', () => {
    const { log, lines } = logged()
    const cause = new Error('ENOSPC: no space left')
    log.error({ err: new PetioleError('PETIOLE_STORE_FULL', 'the store is full', { cause }) }, 'x')
    log.error({ err: new TypeError('broken') }, 'x')
    assert.deepEqual(parsed(lines[0])['err'], {
      message: 'the store is full',
      code: 'PETIOLE_STORE_FULL',
      cause: 'ENOSPC: no space left',
    })
    assert.match(JSON.stringify(parsed(lines[1])['err']), /"stack":"TypeError: broken\\n/)
  })

  it('is readable in a terminal', () => {
    const { log, lines } = logged({}, { isPretty: true })
    log.info({ port: 4222 }, 'Server is ready')
    assert.match(
      lines[0] ?? '',
      /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: Server is ready \{"port":4222\}\n$/,
    )
  })

  it('appends to a file, whole before the call returns', async () => {
    const directory = await mkdtemp(path.join(tmpdir(), 'petiole-log-'))
    const file = path.join(directory, 'new', 'petiole.log')
    createLog({ ...SETTINGS, log_file: file }).info({}, 'one')
    createLog({ ...SETTINGS, log_file: file }).info({}, 'two')
    const lines = (await readFile(file, 'utf8')).trim().split('\n')
    assert.deepEqual(
      lines.map((line) => parsed(line)['msg']),
      ['one', 'two'],
    )
    await rm(directory, { recursive: true })
  })
})
