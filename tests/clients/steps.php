<?php
// What each client program does, for PHP's drivers: see README.md beside this file.
declare(strict_types=1);

abstract class Steps
{
    // What says how it was sent: only a statement that the server has prepared is shown as Execute.
    private const HOW = 'SELECT COMMAND AS how FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()';

    protected object $connection;
    protected string $file, $other, $missing, $stage, $options, $password;
    // The driver's class of errors.
    protected string $failure;

    abstract protected function connect(string $user, string $password, bool $tls): object;

    abstract protected function rows_of(object $connection, string $sql): array;

    abstract protected function prepared(string $sql): array;

    abstract protected function expect_no_prepared_upload(): void;

    // Number and SQLSTATE.
    abstract protected function code(Throwable $error): string;

    public function run(string $phase): void
    {
        foreach (['FILE', 'OTHER', 'MISSING', 'STAGE', 'STAGE_OPTIONS', 'PASSWORD'] as $name) {
            $this->{$name === 'STAGE_OPTIONS' ? 'options' : strtolower($name)} = (string) getenv("STAGEWIRE_$name");
        }
        echo 'version ', PHP_VERSION, "\n";
        $this->connection = $this->connect('root', '', false);
        $this->$phase();
    }

    private function up(): void
    {
        $how = $this->rows("SHOW STATUS LIKE 'Compression_algorithm'")[0]['Value'];
        $this->expect('compression', $how, getenv('COMPRESS') ?: 'uncompressed');
        $this->log_in('native', 'native', false);
        $this->log_in('native_tls', 'native', true);
        $this->log_in('sha2', 'sha2', false);
        $this->log_in('sha2_tls', 'sha2_tls', true);
        $this->rows("CREATE STAGE $this->stage $this->options");
        $this->upload($this->file, 'FALSE');
        $this->expect_listed($this->file);
        $this->cell('list', 'yes');
        $this->expect('how it was sent', $this->prepared(self::HOW)[0]['how'], 'Execute');
        $this->expect('LIST, prepared', $this->listing($this->prepared("LIST @$this->stage")), $this->listed_as($this->file));
        $this->cell('prepared', 'yes');
        $error = $this->expect_error(fn () => $this->upload($this->missing, 'FALSE'));
        $this->expect('error of a missing file', explode('/', $this->code($error))[0], '1017');
        $this->expect_listed($this->file);
        // Skipped, because a file of that name is there: the listing still shows the first one.
        $this->upload($this->other, 'FALSE');
        $this->expect_listed($this->file);
        $this->expect_no_prepared_upload();
        $code = $this->code($this->expect_error(fn () => $this->rows('LIST @there_is_no_such_stage')));
        $this->expect('error of a missing stage', $code, '1146/42S02');
        $this->cell('error', $code);
    }

    private function down(): void
    {
        $this->upload($this->other, 'TRUE');
        $this->expect_listed($this->other);
        $this->rows("REMOVE @$this->stage/" . basename($this->file));
        $this->expect('LIST after REMOVE', $this->listing($this->rows("LIST @$this->stage")), []);
        $this->rows("DROP STAGE $this->stage");
        $this->kill();
    }

    private function kill(): void
    {
        $id = $this->rows('SELECT CONNECTION_ID() AS id')[0]['id'];
        $killer = $this->connect('root', '', false);
        $this->rows_of($killer, "KILL $id");
        // KILL is answered when the other connection has been told, and its end is a moment later.
        for ($times = 0; in_array($id, array_column($this->rows_of($killer, 'SHOW PROCESSLIST'), 'Id')); $times++) {
            $this->expect('gone after KILL', $times < 50, true);
            usleep(100000);
        }
        $this->lost('kill');
    }

    // The runner restarts the server when all programs have said that they are there.
    private function restart(): void
    {
        $this->rows('SELECT 1');
        touch((string) getenv('STAGEWIRE_READY'));
        while (!file_exists((string) getenv('STAGEWIRE_GO'))) {
            clearstatcache();
            usleep(50000);
        }
        $this->lost('restart');
    }

    // The connection is gone: the driver says so or makes another, and a new one works.
    private function lost(string $column): void
    {
        $value = 'itself';
        try {
            // Besides its exception the driver warns.
            @$this->rows('SELECT 1');
        } catch (Throwable $error) {
            echo "$column: ", $error->getMessage(), "\n";
            $this->expect('error', $error instanceof $this->failure, true);
            $value = 'yes';
        }
        $this->connection = $this->connect('root', '', false);
        $this->expect('SELECT on a new connection', $this->rows("SELECT 'again' AS a"), [['a' => 'again']]);
        $this->cell($column, $value);
    }

    // Twice, for the second time less is exchanged.
    private function log_in(string $column, string $user, bool $tls): void
    {
        for ($times = 0; $times < 2; $times++) {
            $connection = $this->connect("{$this->stage}_$user", $this->password, $tls);
            $me = $this->rows_of($connection, 'SELECT CURRENT_USER() AS me')[0]['me'];
            $this->expect('user', explode('@', $me)[0], "{$this->stage}_$user");
            $cipher = $this->rows_of($connection, "SHOW STATUS LIKE 'Ssl_cipher'")[0]['Value'];
            $this->expect("$column is encrypted", $cipher !== '', $tls);
        }
        $this->cell($column, 'yes');
    }

    private function upload(string $path, string $overwrite): void
    {
        $this->rows("LOAD DATA LOCAL INFILE '$path' INTO STAGE @$this->stage AUTO_COMPRESS=FALSE OVERWRITE=$overwrite");
    }

    private function listing(array $rows): array
    {
        return array_map(fn (array $row) => [basename($row['name']), (int) $row['size']], $rows);
    }

    private function listed_as(string $path): array
    {
        return [[basename($this->file), filesize($path)]];
    }

    private function expect_listed(string $path): void
    {
        $this->expect('LIST', $this->listing($this->rows("LIST @$this->stage")), $this->listed_as($path));
    }

    protected function rows(string $sql): array
    {
        return $this->rows_of($this->connection, $sql);
    }

    protected function expect_error(callable $action): Throwable
    {
        try {
            $action();
        } catch (Throwable $error) {
            $this->expect('error', $error instanceof $this->failure, true);
            return $error;
        }
        throw new Exception('expected an error');
    }

    protected function cell(string $column, string $value, string $reason = ''): void
    {
        echo "cell $column $value $reason\n";
    }

    protected function expect(string $what, mixed $found, mixed $expected): void
    {
        if ($found !== $expected) {
            throw new Exception("$what: expected " . json_encode($expected) . ', found ' . json_encode($found));
        }
    }
}
