# Dalli, Ruby's client of the binary protocol: every command that it has.
#
#   ruby dalli.rb ADDRESS [user=NAME] [password=WORD] [only=STORY,STORY...]
#
# Raises where the server does not play along. Prints each public method that no story called, one a line.

require 'dalli'

Dalli.logger.level = Logger::FATAL
ADDRESS = ARGV.shift
GIVEN = ARGV.to_h { |word| word.split('=', 2) }
CALLED = {}
NOBODYS = 2**62

# Each public method notes that it was called from here.
Dalli::Client.prepend(Module.new do
  Dalli::Client.public_instance_methods(false).each do |name|
    define_method(name) do |*arguments, &block|
      CALLED[name] = true if caller_locations(1, 1).first.path == __FILE__
      super(*arguments, &block)
    end
  end
end)

def client(**options)
  Dalli::Client.new(ADDRESS, { socket_timeout: 20, username: GIVEN['user'], password: GIVEN['password'] }.merge(options))
end

def check(found, expected)
  raise "#{caller_locations(1, 1).first}: expected #{expected.inspect}, found #{found.inspect}" unless found == expected
end

# A store answers with the item's new cas unique.
def stored(unique)
  raise "#{caller_locations(1, 1).first}: not stored: #{unique.inspect}" unless unique.is_a?(Integer) && unique.positive?
end

def refused(pattern)
  yield
rescue Dalli::DalliError => e
  raise "#{caller_locations(1, 1).first}: #{e.message}" unless e.message.match?(pattern)
else
  raise "#{caller_locations(1, 1).first}: not refused"
end

STORIES = {
  storage: lambda {
    dc = client
    dc.flush_all
    ['grün', 5, nil, [1, 'x'], { 'a' => 1.5 }, 'x' * 9000].each do |value|
      stored dc.set('a', value)
      check dc.get('a'), value
    end
    check dc.get('none'), nil
    check dc.add('a', 'no'), false
    stored dc.add('b', 'yes', 100)
    check dc.replace('none', 'no'), 0
    stored dc.set('raw', 'x', 100, raw: true)
    stored dc.replace('b', 'again', 100)
    check dc.append('raw', '>'), true
    check dc.append('none', '>'), false
    check dc.prepend('raw', '<'), true
    check dc.prepend('none', '<'), false
    check dc.get('raw'), '<x>'
    check dc.delete('b'), true
    check dc.delete('b'), nil
    check dc.touch('raw', 100), true
    check dc.touch('none', 100), nil
    check dc.gat('raw', 100), '<x>'
    check dc.gat('none', 100), nil
    check dc.gat('raw', 0), '<x>'
  },
  fetch: lambda {
    dc = client
    dc.flush_all
    check dc.fetch('a', 100) { 'made' }, 'made'
    check dc.fetch('a') { raise 'it is there' }, 'made'
    check dc.not_found?(dc.get('none')), true
    check dc.cache_nils, nil
    nils = client(cache_nils: true)
    check nils.cache_nils, true
    check nils.fetch('nil') { nil }, nil
    check nils.fetch('nil') { raise 'it is there' }, nil
  },
  cas: lambda {
    dc = client
    dc.flush_all
    check dc.cas('none') { raise 'nothing to change' }, nil
    first = dc.set('a', '1')
    check dc.get_cas('a'), ['1', first]
    check dc.get_cas('none').first, nil
    stored dc.cas('a') { |value| "#{value}!" }
    check dc.get('a'), '1!'
    check dc.cas('a', 100) { |_| dc.set('a', 'meanwhile') && 'late' }, false
    check dc.get('a'), 'meanwhile'
    stored dc.cas!('new', 100) { |value| value.inspect }
    check dc.get('new'), 'nil'
    second = dc.get_cas('a').last
    third = dc.set_cas('a', '3', second, 100)
    check third.is_a?(Integer) && third != second, true
    check dc.set_cas('a', '4', second), false
    fourth = dc.replace_cas('a', '4', third, 100)
    stored fourth
    check dc.replace_cas('a', '5', NOBODYS), false
    check dc.get_multi_cas('a', 'new', 'none').transform_values(&:first), { 'a' => '4', 'new' => 'nil' }
    check dc.get_multi_cas('a')['a'], ['4', fourth]
    check dc.delete_cas('a', NOBODYS), false
    check dc.get('a'), '4'
    check dc.delete_cas('a', fourth), true
    check dc.get('a'), nil
  },
  quiet: lambda {
    dc = client
    dc.flush_all
    values = (0...300).to_h { |number| ["key-#{number}", "value-#{number}"] }
    dc.multi { values.each { |key, value| dc.set(key, value, 100) } }
    check dc.get_multi(values.keys + ['none']), values
    seen = {}
    dc.get_multi('key-1', 'none', 'key-2') { |key, value| seen[key] = value }
    check seen, { 'key-1' => 'value-1', 'key-2' => 'value-2' }
    dc.multi do
      dc.add('key-1', 'no')
      dc.add('new', 'yes')
      dc.replace('key-2', 'again')
      dc.replace('none', 'no')
      dc.delete('key-3')
      dc.delete('none')
    end
    check dc.get_multi('key-1', 'key-2', 'key-3', 'new', 'none'),
          { 'key-1' => 'value-1', 'key-2' => 'again', 'new' => 'yes' }
  },
  counters: lambda {
    dc = client
    dc.flush_all
    check dc.incr('n', 5, 100, 40), 40
    check dc.incr('n', 5), 45
    check dc.incr('n'), 46
    check dc.decr('n', 4), 42
    check dc.decr('m', 3, 100, 7), 7
    check dc.decr('m', 100), 0
    check dc.incr('m', 2**64 - 1), 2**64 - 1
    check dc.incr('m', 1), 0
    check dc.incr('none'), nil
    check dc.decr('none'), nil
    dc.set('text', 'x', 0, raw: true)
    refused(/non-numeric/) { dc.incr('text') }
    check dc.get('text'), 'x'
  },
  exptimes: lambda {
    dc = client
    dc.set('stays', 'x', 3600)
    dc.set('soon', 'x', 1)
    patience = Time.now + 10
    sleep 0.05 while dc.get('soon') && Time.now < patience
    check dc.get('soon'), nil
    # Its delay is the one between two servers.
    check dc.flush(1000), [true]
    check dc.get('stays'), nil
    check dc.flush, [true]
  },
  large: lambda {
    dc = client(value_max_bytes: 4 << 20)
    bytes = Random.new(7).bytes(1_000_000)
    stored dc.set('large', bytes, 0, raw: true)
    check dc.get('large').b, bytes
    refused(/too large/) { dc.set('large', bytes + bytes, 0, raw: true) }
    check dc.get('large'), nil
  },
  reports: lambda {
    dc = client
    before = dc.stats.values.first
    dc.set('a', 'x')
    after = dc.stats.values.first
    check after['cmd_set'].to_i, before['cmd_set'].to_i + 1
    check dc.stats(:settings).values.first['maxbytes'], '67108864'
    check dc.stats(:items).values.first.empty?, false
    check dc.stats(:slabs).values.first.empty?, false
    check dc.version.values, [after['version']]
    check dc.reset_stats, [true]
    check dc.stats.values.first['cmd_set'], '0'
    check dc.alive!.nil?, false
    dc.close
    check dc.get('a'), 'x'
    dc.reset
    dc.with { |same| check same.get('a'), 'x' }
  }
}.freeze

chosen = GIVEN['only'] ? GIVEN['only'].split(',').map(&:to_sym) : STORIES.keys
chosen.each do |name|
  STORIES.fetch(name).call
rescue StandardError => e
  raise e, "#{name}: #{e.message}", e.backtrace
end
puts(Dalli::Client.public_instance_methods(false).reject { |name| CALLED[name] })
