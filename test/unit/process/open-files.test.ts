import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import * as path from 'node:path'
import { openFilesMax, openFilesWarning } from '../../../process/open-files.ts'
import { parseConfig } from '../../../shared/config/index.ts'

const LIMITS = [
  'Limit                     Soft Limit           Hard Limit           Units     ',
  'Max processes             7823                 7823                 processes ',
  'Max open files            1024                 524288               files     ',
].join('\n')
const SOURCE = path.resolve(import.meta.dirname, '../../../process/open-files.ts')

describe('open files', () => {
  it('are as many as the soft limit says; where the system sets none, or says nothing, there is no bound', () => {
    assert.equal(openFilesMax(LIMITS), 1_024)
    assert.equal(openFilesMax(LIMITS.replace(/1024 /, 'unlimited ')), undefined)
    assert.equal(openFilesMax(''), undefined)
  })

  it('are told of when they are fewer than connections need, those of MQTT among them', () => {
    const config = parseConfig(
      { max_connections: 700, mqtt: { port: 1883, max_connections: 68 } },
      'hub',
    )
    assert.equal(openFilesWarning(config, 1_024), undefined)
    assert.equal(openFilesWarning(config, undefined), undefined)
    const warning = openFilesWarning(config, 1_023) ?? ''
    assert.match(warning, /lets this process open 1023 files, and 768 connections .* need 1024/)
    const plain = parseConfig({ max_connections: 700 }, 'hub')
    assert.equal(openFilesWarning(plain, 956), undefined)
    assert.match(openFilesWarning(plain, 955) ?? '', /700 connections .* need 956/)
  })

  if (process.platform === 'linux') {
    it('of this process are what `ulimit -n` says', () => {
      const script = `import { openFilesMax } from ${JSON.stringify(SOURCE)}\nconsole.log(openFilesMax())`
      const command = 'ulimit -n 300 && exec "$0" --import=tsx --input-type=module -e "$1"'
      const said = execFileSync('sh', ['-c', command, process.execPath, script]).toString()
      assert.equal(said, '300\n')
    })
  }
})
