# Perl's DBI with DBD::MariaDB or, with DRIVER=mysql, DBD::mysql, both over MariaDB's C library.
use strict;
use warnings;
use DBI;
use File::Basename qw(basename);
use Time::HiRes qw(sleep);

my ($file, $other, $missing, $stage, $options, $password) =
    map { $ENV{"STAGEWIRE_$_"} } qw(FILE OTHER MISSING STAGE STAGE_OPTIONS PASSWORD);
my $driver = $ENV{DRIVER} // 'MariaDB';
my $prefix = lc $driver;
# What says how it was sent: only a statement that the server has prepared is shown as Execute.
my $how = 'SELECT COMMAND AS how FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()';
my $connection = connection('root', '', 0);

sub connection {
    my ($user, $password, $tls) = @_;
    my $address = "DBI:$driver:host=$ENV{STAGEWIRE_HOST};port=$ENV{STAGEWIRE_PORT};${prefix}_local_infile=1";
    $address .= ";${prefix}_ssl=1;${prefix}_ssl_ca_file=$ENV{STAGEWIRE_CA}" if $tls;
    # With MariaDB's library DBD::mysql refuses to insist on it, and encrypts when it needn't.
    $address .= ';mysql_ssl_optional=1' if $tls && $driver eq 'mysql';
    return DBI->connect($address, $user, $password, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
}

sub rows_of {
    my ($connection, $sql, $attributes) = @_;
    my $statement = $connection->prepare($sql, $attributes // {});
    $statement->execute;
    return ($statement->{NUM_OF_FIELDS} // 0) > 0 ? $statement->fetchall_arrayref({}) : [];
}

sub rows { return rows_of($connection, @_) }
sub prepared { return rows(shift, { "${prefix}_server_prepare" => 1 }) }
sub cell { print join(' ', 'cell', @_), "\n" }

sub expect {
    my ($what, $found, $expected) = @_;
    die "$what: expected $expected, found $found\n" if $found ne $expected;
}

sub error_of {
    my ($action) = @_;
    eval { $action->(); 1 } and die "expected an error\n";
    return "$DBI::err/$DBI::state";
}

sub upload {
    my ($path, $overwrite) = @_;
    rows("LOAD DATA LOCAL INFILE '$path' INTO STAGE \@$stage AUTO_COMPRESS=FALSE OVERWRITE=$overwrite");
}

sub listing { return join ' ', map { basename($_->{name}) . ":$_->{size}" } @{ $_[0] } }

sub expect_listed {
    my ($path) = @_;
    expect('LIST', listing(rows("LIST \@$stage")), basename($file) . ':' . -s $path);
}

# Twice, for the second time less is exchanged.
sub log_in {
    my ($column, $user, $tls) = @_;
    for (1, 2) {
        my $own = connection("${stage}_$user", $password, $tls);
        my ($me) = split /@/, rows_of($own, 'SELECT CURRENT_USER() AS me')->[0]{me};
        expect('user', $me, "${stage}_$user");
        my $cipher = rows_of($own, "SHOW STATUS LIKE 'Ssl_cipher'")->[0]{Value};
        expect("$column is encrypted", $cipher ne '' ? 1 : 0, $tls);
        $own->disconnect;
    }
    cell($column, 'yes');
}

# The connection is gone: the driver says so or makes another, and a new one works.
sub lost {
    my ($column) = @_;
    my $value = eval { rows('SELECT 1'); 1 } ? 'itself' : 'yes';
    print "$column: ", $DBI::errstr // '', "\n";
    $connection = connection('root', '', 0);
    expect('SELECT on a new connection', rows("SELECT 'again' AS a")->[0]{a}, 'again');
    cell($column, $value);
}

sub up {
    log_in('native', 'native', 0);
    log_in('native_tls', 'native', 1);
    log_in('sha2', 'sha2', 0);
    log_in('sha2_tls', 'sha2_tls', 1);
    rows("CREATE STAGE $stage $options");
    upload($file, 'FALSE');
    expect_listed($file);
    cell('list', 'yes');
    expect('how it was sent', prepared($how)->[0]{how}, 'Execute');
    expect('LIST, prepared', listing(prepared("LIST \@$stage")), basename($file) . ':' . -s $file);
    cell('prepared', 'yes');
    expect('error of a missing file', (split m{/}, error_of(sub { upload($missing, 'FALSE') }))[0], '1017');
    expect_listed($file);
    # Skipped, because a file of that name is there: the listing still shows the first one.
    upload($other, 'FALSE');
    expect_listed($file);
    my $code = error_of(sub { rows('LIST @there_is_no_such_stage') });
    expect('error of a missing stage', $code, '1146/42S02');
    cell('error', $code);
}

sub down {
    upload($other, 'TRUE');
    expect_listed($other);
    rows("REMOVE \@$stage/" . basename($file));
    expect('LIST after REMOVE', listing(rows("LIST \@$stage")), '');
    rows("DROP STAGE $stage");
    my $id = rows('SELECT CONNECTION_ID() AS id')->[0]{id};
    my $killer = connection('root', '', 0);
    rows_of($killer, "KILL $id");
    # KILL is answered when the other connection has been told, and its end is a moment later.
    for (my $times = 0; grep { $_->{Id} == $id } @{ rows_of($killer, 'SHOW PROCESSLIST') }; $times++) {
        die "still there after KILL\n" if $times == 50;
        sleep 0.1;
    }
    lost('kill');
}

# The runner restarts the server when all programs have said that they are there.
sub restart {
    rows('SELECT 1');
    open my $ready, '>', $ENV{STAGEWIRE_READY} or die $!;
    close $ready;
    sleep 0.05 until -e $ENV{STAGEWIRE_GO};
    lost('restart');
}

print 'version ', "DBD::$driver"->VERSION, "\n";
{ up => \&up, down => \&down, restart => \&restart }->{ $ARGV[0] }->();
