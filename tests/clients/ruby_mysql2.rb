# Ruby's mysql2, over MariaDB's C library.
require 'mysql2'
require 'fileutils'

FILE, OTHER, MISSING, STAGE, OPTIONS, PASSWORD, CA =
  %w[FILE OTHER MISSING STAGE STAGE_OPTIONS PASSWORD CA].map { |name| ENV.fetch("STAGEWIRE_#{name}") }
# What says how it was sent: only a statement that the server has prepared is shown as Execute.
HOW = 'SELECT COMMAND AS how FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()'

def connect(user, password, tls)
  Mysql2::Client.new(
    host: ENV.fetch('STAGEWIRE_HOST'), port: ENV.fetch('STAGEWIRE_PORT').to_i, username: user, password: password,
    local_infile: true, **(tls ? { sslca: CA, sslverify: true } : {})
  )
end

def rows(sql) = $connection.query(sql).to_a
def prepared(sql) = $connection.prepare(sql).execute.to_a
def cell(*words) = puts("cell #{words.join(' ')}")
def expect(what, found, expected) = (abort("#{what}: expected #{expected}, found #{found}") if found != expected)
def listing(rows) = rows.map { |row| [File.basename(row['name']), row['size']] }
def expect_listed(path) = expect('LIST', listing(rows("LIST @#{STAGE}")), [[File.basename(FILE), File.size(path)]])

def upload(path, overwrite)
  $connection.query("LOAD DATA LOCAL INFILE '#{path}' INTO STAGE @#{STAGE} AUTO_COMPRESS=FALSE OVERWRITE=#{overwrite}")
end

def error_of
  yield
rescue Mysql2::Error => e
  "#{e.error_number}/#{e.sql_state}"
else
  abort('expected an error')
end

# Twice, for the second time less is exchanged.
def log_in(column, user, tls)
  2.times do
    own = connect("#{STAGE}_#{user}", PASSWORD, tls)
    expect('user', own.query('SELECT CURRENT_USER() AS me').first['me'].split('@').first, "#{STAGE}_#{user}")
    cipher = own.query("SHOW STATUS LIKE 'Ssl_cipher'").first['Value']
    expect("#{column} is encrypted", !cipher.empty?, tls)
    own.close
  end
  cell(column, 'yes')
end

# The connection is gone: the driver says so or makes another, and a new one works.
def lost(column)
  value = begin
    rows('SELECT 1')
    'itself'
  rescue Mysql2::Error => e
    puts "#{column}: #{e.message}"
    'yes'
  end
  $connection = connect('root', '', false)
  expect('SELECT on a new connection', rows("SELECT 'again' AS a"), [{ 'a' => 'again' }])
  cell(column, value)
end

def up
  log_in('native', 'native', false)
  log_in('native_tls', 'native', true)
  log_in('sha2', 'sha2', false)
  log_in('sha2_tls', 'sha2_tls', true)
  rows_or_nothing("CREATE STAGE #{STAGE} #{OPTIONS}")
  upload(FILE, 'FALSE')
  expect_listed(FILE)
  cell('list', 'yes')
  expect('how it was sent', prepared(HOW).first['how'], 'Execute')
  expect('LIST, prepared', listing(prepared("LIST @#{STAGE}")), [[File.basename(FILE), File.size(FILE)]])
  cell('prepared', 'yes')
  expect('error of a missing file', error_of { upload(MISSING, 'FALSE') }.split('/').first, '1017')
  expect_listed(FILE)
  # Skipped, because a file of that name is there: the listing still shows the first one.
  upload(OTHER, 'FALSE')
  expect_listed(FILE)
  code = error_of { rows('LIST @there_is_no_such_stage') }
  expect('error of a missing stage', code, '1146/42S02')
  cell('error', code)
end

def down
  upload(OTHER, 'TRUE')
  expect_listed(OTHER)
  rows("REMOVE @#{STAGE}/#{File.basename(FILE)}")
  expect('LIST after REMOVE', listing(rows("LIST @#{STAGE}")), [])
  rows_or_nothing("DROP STAGE #{STAGE}")
  id = rows('SELECT CONNECTION_ID() AS id').first['id']
  killer = connect('root', '', false)
  killer.query("KILL #{id}")
  # KILL is answered when the other connection has been told, and its end is a moment later.
  50.times do |time|
    break if killer.query('SHOW PROCESSLIST').none? { |row| row['Id'] == id }
    abort('still there after KILL') if time == 49
    sleep 0.1
  end
  lost('kill')
end

# An OK packet is `nil` in this driver.
def rows_or_nothing(sql) = $connection.query(sql)

# The runner restarts the server when all programs have said that they are there.
def restart
  rows('SELECT 1')
  FileUtils.touch(ENV.fetch('STAGEWIRE_READY'))
  sleep 0.05 until File.exist?(ENV.fetch('STAGEWIRE_GO'))
  lost('restart')
end

puts "version #{Mysql2::VERSION}"
$connection = connect('root', '', false)
{ 'up' => method(:up), 'down' => method(:down), 'restart' => method(:restart) }.fetch(ARGV[0]).call
