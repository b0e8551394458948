create table invoices (id bigint primary key, order_id bigint not null, paid boolean not null default false);
