create table orders (
    id         bigint generated always as identity primary key,
    customer   text        not null,
    total      numeric     not null,
    created_at timestamptz not null default now()
);
insert into orders (customer, total) select 'customer ' || n, n * 1.5 from generate_series(1, 1000) n;
