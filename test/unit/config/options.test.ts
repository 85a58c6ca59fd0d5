import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { entriesOf, rulesOf } from '../../../shared/config/block.ts'
import { flagsToOverrides } from '../../../shared/config/index.ts'
import { NATS_SERVER_OPTIONS } from '../../support/nats-server-options.ts'
import { blockAt, reasonFor, stateOf } from '../../support/option-states.ts'

const DOC = readFileSync(
  path.resolve(import.meta.dirname, '../../../docs/configuration.md'),
  'utf8',
)

interface Row {
  readonly block: string
  readonly names: readonly string[]
  readonly state: string
  readonly what: string
}

/** The table at the end of docs/configuration.md. */
const rows: readonly Row[] = DOC.slice(DOC.indexOf('## Every option of nats-server'))
  .split('\n')
  .filter((line) => /^\|.*`/.test(line))
  .map((line) => {
    const [, block = '', names = '', state = '', what = ''] = line.split('|').map((it) => it.trim())
    return { block: block.replaceAll('`', ''), names: names.match(/[^`\s]+/g) ?? [], state, what }
  })

/** Flags of nats-server 2.15, from its main.go and server/opts.go. */
const FLAGS =
  'port p n name server_name addr a net client_advertise D debug V VV trace DV DVV T logtime logtime_utc ' +
  'user pass auth m http_port ms https_port c config t sl signal P pid ports_file_dir l log ' +
  'log_size_limit s syslog r remote_syslog version v profile routes cluster cluster_listen ' +
  'cluster_advertise no_advertise connect_retries cluster_name help_tls tls tlsverify tlscert tlskey ' +
  'tlscacert max_traced_msg_len js jetstream sd store_dir h help'

describe('config: options of nats-server', () => {
  for (const [block, groups] of Object.entries(NATS_SERVER_OPTIONS)) {
    it(`all of ${block === '' ? 'the file itself' : block} are known, and in the table`, () => {
      const schema = blockAt(block)
      const own = rows.filter((row) => row.block === block)
      assert.deepEqual(
        own.map((row) => row.names),
        groups,
      )
      for (const { names, state, what } of own) {
        for (const name of names) assert.equal(stateOf(schema, name), state, name)
        const reason = reasonFor(schema, names[0] ?? '')
        if (state === 'refused') assert.equal(what, `because ${reason}`)
      }
    })

    it(`what ${block === '' ? 'the file itself' : block} has beyond them is documented`, () => {
      const schema = blockAt(block)
      const theirs = new Set(groups.flat())
      const rules = rulesOf(schema)
      const ours = Object.keys(entriesOf(schema) ?? {}).filter((key) => {
        const isTheirs =
          theirs.has(key) || groups.flat().some((name) => rules.aliases[name] === key)
        return !isTheirs && !Object.hasOwn(rules.elsewhere, key) && !isInternal(schema, key)
      })
      const silent = ours.filter((key) => !DOC.includes(key))
      assert.deepEqual(silent, [])
    })
  }

  it('the reasons are for people: they say why, and what to do', () => {
    for (const { state, what, names } of rows) {
      if (state === 'refused') assert.match(what, /^because .{20,}: .{10,}$/, names.join())
    }
  })

  it('all flags are known', () => {
    for (const name of FLAGS.split(' ')) {
      const args = [`--${name}=x`]
      try {
        flagsToOverrides(args, 'hub')
      } catch (error) {
        assert.doesNotMatch(String(error), /unknown flag/, name)
      }
    }
  })
})

/** Keys that no file can say: how names and short forms are kept. */
function isInternal(schema: Parameters<typeof rulesOf>[0], key: string): boolean {
  const { isNamed, shorthand } = rulesOf(schema)
  return (isNamed && key === 'name') || key === shorthand
}
