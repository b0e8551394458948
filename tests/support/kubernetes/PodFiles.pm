# SPDX-License-Identifier: Apache-2.0
# Files for pod_runner.pl: what a pod's volumes hold, and the small ones beside them.
#
#   PodFiles::mount($api, $pod);    writes them below $pod->{dir}/volumes and fills $pod->{paths} (path
#                                   in the container => folder); dies with a reason if something is missing
#   PodFiles::spill($path, $bytes, $mode);   PodFiles::slurp($path)
package PodFiles;
use strict;
use warnings;
use Fcntl qw(:DEFAULT);
use File::Path qw(make_path remove_tree);
use MIME::Base64 qw(decode_base64);

sub spill {
    my ($path, $bytes, $mode) = @_;
    sysopen my $file, $path, O_WRONLY | O_CREAT | O_TRUNC, 0600 or die "$path: $!\n";
    print $file $bytes;
    close $file or die "$path: $!\n";
    chmod $mode, $path if defined $mode;
    return;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<:raw', $path or return '';
    local $/;
    return scalar(<$file>) // '';
}

# The files of one ConfigMap or Secret; dies with the reason when there is none yet.
sub object_files {
    my ($api, $namespace, $kind, $name, $items, $optional) = @_;
    my ($code, $object) = $api->call('GET', "/api/v1/namespaces/$namespace/${kind}s/$name");
    return {} if $code == 404 && $optional;
    die "$kind \"$name\": code $code\n" unless $code == 200;
    my %data = map { $_ => decode_base64($object->{$kind eq 'secret' ? 'data' : 'binaryData'}{$_}) }
        keys %{ $object->{$kind eq 'secret' ? 'data' : 'binaryData'} // {} };
    if ($kind eq 'configmap') {
        for my $key (keys %{ $object->{data} // {} }) {
            utf8::encode($data{$key} = $object->{data}{$key});
        }
    }
    return \%data unless $items;
    my %files;
    for my $item (@$items) {
        die "$kind \"$name\" has no key $item->{key}\n" unless defined $data{ $item->{key} } || $optional;
        $files{ $item->{path} } = $data{ $item->{key} } if defined $data{ $item->{key} };
    }
    return \%files;
}

sub volume_files {
    my ($volume, @place) = @_;
    return object_files(@place, 'configmap', @{ $volume->{configMap} }{qw(name items optional)}) if $volume->{configMap};
    return object_files(@place, 'secret', @{ $volume->{secret} }{qw(secretName items optional)}) if $volume->{secret};
    my %files;
    for my $source (@{ $volume->{projected}{sources} // [] }) {
        my ($kind) = grep { $source->{$_} } qw(configMap secret);
        die "volume $volume->{name}: a source that is not supported\n" unless $kind;
        %files = (%files, %{ object_files(@place, lc $kind, @{ $source->{$kind} }{qw(name items optional)}) });
    }
    return \%files;
}

sub mount {
    my ($api, $pod) = @_;
    my @place = ($api, $pod->{object}{metadata}{namespace});
    my %at = map { $_->{name} => $_->{mountPath} } @{ $pod->{object}{spec}{containers}[0]{volumeMounts} // [] };
    $pod->{paths} = {};
    for my $volume (@{ $pod->{object}{spec}{volumes} // [] }) {
        my $dir = "$pod->{dir}/volumes/$volume->{name}";
        my $files = volume_files($volume, @place);
        my $mode = ($volume->{projected} // $volume->{secret} // $volume->{configMap} // {})->{defaultMode};
        remove_tree($dir);
        make_path($dir);
        for my $path (keys %$files) {
            die "volume $volume->{name}: path $path\n" if $path =~ m{(?:\A|/)\.\.(?:/|\z)};
            make_path("$dir/$1") if $path =~ m{\A(.+)/};
            PodFiles::spill("$dir/$path", $files->{$path}, $mode // 0644);
        }
        $pod->{paths}{ $at{ $volume->{name} } } = $dir if $at{ $volume->{name} };
    }
    return;
}

1;
