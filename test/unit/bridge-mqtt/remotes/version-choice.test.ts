import assert from 'node:assert/strict'
import { VersionChoice } from '../../../../bridge-mqtt/remotes/version-choice.ts'

describe('mqtt remotes: which version is spoken', () => {
  it('is MQTT 5, then 3.1.1 at once where the broker names the version', () => {
    const choice = new VersionChoice('auto')
    assert.equal(choice.text, '5')
    assert.equal(choice.refused(), true)
    assert.equal(choice.text, '3.1.1')
    assert.equal(choice.refused(), false, 'the second refusal waits: it would go round in circles')
    assert.equal(choice.text, '5')
  })

  it('changes where the broker says nothing three times in a row', () => {
    const choice = new VersionChoice('auto')
    choice.unanswered()
    choice.unanswered()
    choice.accepted()
    choice.unanswered()
    choice.unanswered()
    assert.equal(choice.text, '5')
    choice.unanswered()
    assert.equal(choice.text, '3.1.1')
  })

  it('is what is configured, whatever the broker says', () => {
    for (const version of ['5', '3.1.1'] as const) {
      const choice = new VersionChoice(version)
      assert.equal(choice.refused(), false)
      for (let i = 0; i < 5; i++) choice.unanswered()
      assert.equal(choice.text, version)
    }
  })
})
