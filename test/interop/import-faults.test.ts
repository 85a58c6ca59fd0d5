import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as path from 'node:path'
import { ConfigError, loadConfig } from '../../shared/config/index.ts'
import { importFaults } from '../../shared/imports/index.ts'
import { SystemDisk } from '../../shared/runtime/index.ts'
import { ConfigFiles } from '../support/config-files.ts'

const PEER = path.resolve(import.meta.dirname, '../../.peers/bin/nats-server')
const BINARY = process.env['NATS_SERVER'] ?? (existsSync(PEER) ? PEER : 'nats-server')

/** Accounts, and whether nats-server takes them. When it does not, our words are among its own. */
const CASES: readonly (readonly [what: string, accounts: string, isFine: boolean])[] = [
  [
    'a stream and a service',
    `A { exports: [{stream: "s.>"}, {service: "q.*"}] }
     B { imports: [{stream: {account: A, subject: "s.x"}}, {service: {account: A, subject: "q.*"}, to: "r.$1"}] }`,
    true,
  ],
  [
    'nothing exported',
    `A {}
     B { imports: [{stream: {account: A, subject: "s.x"}}] }`,
    false,
  ],
  [
    'a stream as a service',
    `A { exports: [{stream: "s"}] }
     B { imports: [{service: {account: A, subject: "s"}}] }`,
    false,
  ],
  [
    'wider than the export',
    `A { exports: [{stream: "s.*"}] }
     B { imports: [{stream: {account: A, subject: "s.>"}}] }`,
    false,
  ],
  [
    'an export for others',
    `A { exports: [{service: "s", accounts: [C]}] }
     B { imports: [{service: {account: A, subject: "s"}}] }
     C {}`,
    false,
  ],
  [
    'a circle of services',
    `A { exports: [{service: "q"}], imports: [{service: {account: B, subject: "q"}}] }
     B { exports: [{service: "q"}], imports: [{service: {account: A, subject: "q"}}] }`,
    false,
  ],
  [
    'a circle of three streams',
    `A { exports: [{stream: "s.>"}], imports: [{stream: {account: C, subject: "s.>"}}] }
     B { exports: [{stream: "s.>"}], imports: [{stream: {account: A, subject: "s.>"}}] }
     C { exports: [{stream: "s.>"}], imports: [{stream: {account: B, subject: "s.>"}}] }`,
    false,
  ],
  [
    'services that only look like a circle',
    `A { exports: [{service: "a"}], imports: [{service: {account: B, subject: "b"}}] }
     B { exports: [{service: "b"}], imports: [{service: {account: A, subject: "a"}}] }`,
    true,
  ],
  [
    'the same stream twice',
    `A { exports: [{stream: "s"}] }
     B { imports: [{stream: {account: A, subject: "s"}}, {stream: {account: A, subject: "s"}, to: "t"}] }`,
    false,
  ],
  [
    'wildcards that the target leaves out',
    `A { exports: [{stream: "s.*.*"}] }
     B { imports: [{stream: {account: A, subject: "s.*.*"}, to: "t.$1"}] }`,
    false,
  ],
  [
    'a function in the target',
    `A { exports: [{stream: "s.*"}] }
     B { imports: [{stream: {account: A, subject: "s.*"}, to: "t.{{left(1,2)}}"}] }`,
    false,
  ],
  [
    'the account in the subject',
    `A { exports: [{stream: "s.*", account_token_position: 2 }] }
     B { imports: [{stream: {account: A, subject: "s.B"}}] }`,
    true,
  ],
  [
    'another account in the subject',
    `A { exports: [{stream: "s.*", account_token_position: 2 }] }
     B { imports: [{stream: {account: A, subject: "s.C"}}] }`,
    false,
  ],
]

describe('what is wrong with imports, beside nats-server', () => {
  let files: ConfigFiles
  before(async () => {
    files = await ConfigFiles.create()
  })
  after(() => files.remove())

  for (const [what, accounts, isFine] of CASES) {
    it(`${what}: ${isFine ? 'fine' : 'refused'}`, async () => {
      const file = await files.write('imports.conf', `accounts {\n${accounts}\n}`)
      const theirs = spawnSync(BINARY, ['-t', '-c', file], { encoding: 'utf8' })
      assert.equal(theirs.status === 0, isFine, theirs.stderr)
      assert.doesNotMatch(theirs.stderr, /Parse error/)
      const faults = await faultsIn(file)
      assert.equal(faults === undefined || faults.length > 0, !isFine, faults?.join('\n'))
      // Which import of a circle closes it depends on the order, which is not the file's there.
      for (const fault of faults ?? []) {
        const text = fault.replace(/^Error adding \w+ import "[^"]*": /, '')
        assert.ok(theirs.stderr.includes(text), `${text}; ${theirs.stderr}`)
      }
    })
  }
})

/** Undefined when the file is refused before its imports are looked at: in words of our own. */
async function faultsIn(file: string): Promise<string[] | undefined> {
  try {
    const { config } = await loadConfig(new SystemDisk(), file, 'hub')
    return importFaults(config.accounts).map(({ text }) => text)
  } catch (error) {
    if (error instanceof ConfigError) return undefined
    throw error
  }
}
